//! What operators change while it runs: each change comes into force, or is refused and nothing changes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::app::App;
use crate::harness::{App as AppSetup, Folder, PATIENCE, Policy, Setup, client, module};
use crate::{Door, Stage, pause, token};

/// Folders of modules, to which a link leads in turn.
const FOLDERS: u8 = 3;
const MODULES: [&str; 5] = ["validation", "country", "runaway", "dedup", "throttle"];

/// What the files say.
pub(crate) struct Files {
    folder: Arc<Folder>,
    base: Setup,
    /// How many times the settings were changed.
    settings: u64,
    /// Where the link leads, and which build of `validation` each folder has.
    leads_to: u8,
    builds: [u8; FOLDERS as usize],
}

impl Files {
    /// Those of the first start. The addresses are Plivo's, that of the apps' listener, and where reports are taken.
    pub(crate) fn new(folder: Arc<Folder>, [plivo, listener, callbacks]: [String; 3]) -> Self {
        for nth in 0..FOLDERS {
            let path = folder.path().join(format!("modules-{nth}"));
            fs::create_dir(&path).expect("a folder");
            for name in MODULES {
                fs::copy(module(name), path.join(format!("{name}.wasm"))).expect("a module");
            }
            folder.write(&format!("modules-{nth}/validation.wasm"), marked(nth, 0));
        }
        point(&folder, "modules", "modules-0");
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let setup = Setup::with_base_url(&plivo)
            .durable()
            .set("listen.callbacks_url", format!("http://{callbacks}"))
            .set("listen.callbacks", callbacks)
            .set("listen.drain_s", 10)
            // The lines that tell the addresses, and what is amiss.
            .set("telemetry.log", "warn,sidecar::run::doors=info")
            .set("reload.poll_ms", 500)
            .set("plivo.connect_timeout_ms", 1_000)
            .set("plivo.call_timeout_ms", 3_000)
            // Longer than this machine, busy as it is, keeps a call from the simulator, and that from its list.
            .set("delivery.settle_s", json!([2, 5]))
            .set("delivery.on_unresolved", "fail")
            .set("delivery.report_silence_s", 5)
            .set("delivery.poll_s", json!([2, 5, 15]))
            .set("delivery.poll_until_s", 45);
        let policy = |name: &str| Policy::new(name).set("module", format!("modules/{name}.wasm"));
        let traps =
            policy("runaway").set("grants", json!(["state", "log"])).set("on_failure", "accept");
        let country = json!({"allow": ["*"], "mms": ["US", "CA"], "mms_fallback": "deny"});
        let app = |name| AppSetup::new(name, &token(name)).set("relay_secret", secret);
        let base = setup
            .app(AppSetup::new("demo", &token("demo")))
            .app(app("billing").set("relay_url", format!("http://{listener}/told")))
            .app(app("notices").set("relay_allow", json!([format!("http://{listener}")])))
            .policy(policy("validation"))
            .policy(policy("country").settings(country))
            .policy(traps)
            .policy(policy("dedup").settings(json!({"window_s": 3_600, "mode": "reject"})));
        Self { folder, base, settings: 0, leads_to: 0, builds: [0; FOLDERS as usize] }
    }

    /// What is to be in force.
    pub(crate) fn setup(&self) -> Setup {
        // Each time another; at times too few for all that is asked.
        let quota = if self.settings % 3 == 2 { 700 } else { 9_000 } + self.settings;
        let limits =
            json!({"limits": [{"name": "app", "scope": "app", "quota": quota, "per_s": 60}]});
        let breaker = json!({"failures": 5 + self.settings % 5, "open_s": 1, "open_max_s": 4});
        let throttle =
            Policy::new("throttle").set("module", "modules/throttle.wasm").settings(limits);
        self.base.clone().set("delivery.breaker", breaker).policy(throttle)
    }

    /// Changes something that is then to be in force; what.
    fn change(&mut self, rng: &mut Rng) -> &'static str {
        match rng.u32(..4) {
            0 => {
                self.leads_to = (self.leads_to + 1) % FOLDERS;
                point(&self.folder, "modules", &format!("modules-{}", self.leads_to));
                "links to modules swapped"
            }
            1 => {
                let build = &mut self.builds[usize::from(self.leads_to)];
                *build = (*build + 1) % 4;
                self.folder.write("modules/validation.wasm", marked(self.leads_to, *build));
                "modules replaced"
            }
            2 => {
                self.settings += 1;
                self.folder.write("sidecar.toml", self.setup().to_toml());
                "settings changed"
            }
            _ => {
                self.settings += 1;
                let name = format!("sidecar-{}.toml", self.settings % 2);
                self.folder.write(&name, self.setup().to_toml());
                point(&self.folder, "sidecar.toml", &name);
                "links to settings swapped"
            }
        }
    }

    /// Breaks something.
    fn break_one(&self, rng: &mut Rng) {
        let good = self.setup().to_toml();
        let broken = match rng.u32(..4) {
            0 => "[[apps]\n".to_owned(),
            1 => good.replace("[plivo]", "[plivo]\nnonsense = 1"),
            2 => good[..good.find("[[policies]]").expect("there are policies")].to_owned(),
            _ => {
                let whole = marked(self.leads_to, 0);
                self.folder.write("modules/validation.wasm", &whole[..whole.len() / 2]);
                return;
            }
        };
        self.folder.write("sidecar.toml", broken);
    }

    /// Puts back what was broken.
    fn mend(&self) {
        let build = self.builds[usize::from(self.leads_to)];
        self.folder.write("modules/validation.wasm", marked(self.leads_to, build));
        self.folder.write("sidecar.toml", self.setup().to_toml());
    }
}

/// Changes files until time is over.
pub(crate) async fn make_until_over(stage: Arc<Stage>, seed: u64) {
    let (mut rng, client) = (Rng::with_seed(seed), client());
    while Instant::now() < stage.until {
        pause(&mut rng, 300..2_000).await;
        let mut files = stage.files.lock().await;
        let Some(door) = *stage.door.borrow() else { continue };
        let Some(before) = ready(&client, &door).await else { continue };
        let generation = before["generation"].clone();
        if rng.u32(..3) > 0 {
            let what = files.change(&mut rng);
            // A restart may come in the middle.
            drop(files);
            let applied = |ready: &Value| ready["generation"].as_u64() > generation.as_u64();
            if comes(&stage, &client, &door, what, applied).await {
                stage.count(what);
            }
        } else {
            files.break_one(&mut rng);
            let what = "broken files refused";
            let is_refused = |ready: &Value| !ready["reload_refused"].is_null();
            if comes(&stage, &client, &door, what, is_refused).await {
                stage.count(what);
                let now = ready(&client, &door).await;
                if let Some(now) = now.filter(|now| now["generation"] != generation) {
                    stage.fault(format!("a broken file came into force: {now}"));
                }
            }
            files.mend();
            comes(&stage, &client, &door, "mended", |ready| !is_refused(ready)).await;
        }
    }
}

/// Waits until `wanted` holds of `/readyz`; `false` where the process ended before. That it never does is a fault.
async fn comes(
    stage: &Stage,
    client: &reqwest::Client,
    door: &Door,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> bool {
    let began = Instant::now();
    let mut last = Value::Null;
    while !stage.is_ended(door) {
        if let Some(ready) = ready(client, door).await {
            if wanted(&ready) {
                return true;
            }
            last = ready;
        }
        if began.elapsed() > PATIENCE {
            stage.fault(format!("not within {PATIENCE:?}: {what}; /readyz says {last}"));
            return false;
        }
        App::pause().await;
    }
    false
}

async fn ready(client: &reqwest::Client, door: &Door) -> Option<Value> {
    let answer = client.get(format!("http://{}/readyz", door.admin)).send().await.ok()?;
    serde_json::from_str(&answer.text().await.ok()?).ok()
}

/// `validation` as other bytes that decide the same, no two of which are alike.
fn marked(folder: u8, build: u8) -> Vec<u8> {
    let mut bytes = fs::read(module("validation")).expect("a module");
    // WebAssembly 1.0, 5.5.3: id, size, the name's length, the name, the content.
    bytes.extend([0, 7, 4, b'm', b'a', b'r', b'k', folder, build]);
    bytes
}

/// Makes `link` lead to `target`, in one step.
fn point(folder: &Folder, link: &str, target: &str) {
    let draft = folder.path().join("link.draft");
    let link = folder.path().join(link);
    symlink(Path::new(target), &draft).and_then(|()| fs::rename(&draft, link)).expect("a link");
}
