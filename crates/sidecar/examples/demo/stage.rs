//! The processes of the demonstration, and what can be done to them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use plivo_sim::{PlivoSim, SimConfig};
use serde_json::Value;
use telemetry::collector::{Collector, SpanSeen};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{interval, timeout};

use crate::door::{Door, Reply};
use crate::{PATIENCE, Result};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The country policy's settings in the repository's `sidecar.toml`.
const COUNTRY: &str = r#"{ allow = ["*"], mms = ["US", "CA"], mms_fallback = "deny" }"#;

/// Plivo's simulator, a collector and sendgate.
pub(crate) struct Stage {
    folder: Folder,
    plivo: PlivoSim,
    collector: Collector,
    sendgate: Child,
    door: Door,
    admin: String,
}

/// A folder that goes when the demonstration ends, however it ends.
struct Folder(PathBuf);

impl Stage {
    pub(crate) async fn set() -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plivo =
            PlivoSim::start(SimConfig { auth_token: "sim-token".into(), ..SimConfig::default() })
                .await;
        let collector = Collector::start_http();
        let folder =
            Folder(std::env::temp_dir().join(format!("sendgate-demo-{}", std::process::id())));
        copy_policies(&folder.0)?;
        let settings = adapted(
            &fs::read_to_string(format!("{ROOT}/sidecar.toml"))?,
            &plivo.base_url(),
            &collector.endpoint(),
        )?;
        fs::write(folder.0.join("sidecar.toml"), settings)?;

        let mut sendgate = start_sendgate(&folder.0)?;
        let output = sendgate.stdout.take().ok_or("sendgate has no standard output")?;
        let mut log = BufReader::new(output).lines();
        let (apps, admin) = timeout(PATIENCE, addresses(&mut log)).await??;
        tokio::spawn(show_troubles(log));
        let door = Door::new(&apps);
        Ok(Self { folder, plivo, collector, sendgate, door, admin: format!("http://{admin}") })
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "apps at {}, admin at {}, Plivo at {}",
            self.door.base,
            self.admin,
            self.plivo.base_url()
        )
    }

    pub(crate) fn door(&self) -> Door {
        self.door.clone()
    }

    pub(crate) async fn send(
        &self,
        app: &str,
        message: &Value,
        traceparent: Option<&str>,
    ) -> Result<Reply> {
        self.door.send(app, message, traceparent).await
    }

    /// Messages that Plivo has.
    pub(crate) fn at_plivo(&self) -> usize {
        self.plivo.sends().len()
    }

    pub(crate) async fn generation(&self) -> Result<u64> {
        let status: Value =
            self.door.http.get(format!("{}/policies", self.admin)).send().await?.json().await?;
        if let Some(refused) = status["reload"]["refused"].as_object() {
            return Err(format!("a reload was refused: {refused:?}").into());
        }
        status["generation"].as_u64().ok_or_else(|| format!("no generation in {status}").into())
    }

    pub(crate) async fn wait_for_generation(&self, wanted: u64) -> Result<u64> {
        let mut again = interval(std::time::Duration::from_millis(50));
        let reached = async {
            loop {
                again.tick().await;
                let generation = self.generation().await?;
                if generation >= wanted {
                    return Result::Ok(generation);
                }
            }
        };
        timeout(PATIENCE, reached).await.map_err(|_| format!("generation {wanted} did not come"))?
    }

    /// Puts a module with other bytes and the same rules in place, as a new build of a policy would come.
    pub(crate) fn publish_new_build(&self, policy: &str) -> Result<()> {
        let path = self.folder.0.join(format!("policies/{policy}.wasm"));
        let mut module = fs::read(&path)?;
        // A custom section called `build`, which means nothing to anybody (WebAssembly core specification, 5.5.3).
        module.extend_from_slice(b"\0\x06\x05build");
        replace(&path, &module)
    }

    /// Writes other settings of the country policy into the configuration.
    pub(crate) fn set_country(&self, settings: &str) -> Result<()> {
        let path = self.folder.0.join("sidecar.toml");
        let text = swap(&fs::read_to_string(&path)?, COUNTRY, settings)?;
        replace(&path, text.as_bytes())
    }

    /// The spans of `trace`, as soon as the one below `caller` has ended.
    pub(crate) async fn trace(&self, trace: &str, caller: &str) -> Vec<SpanSeen> {
        let ended = |spans: &[SpanSeen]| {
            spans
                .iter()
                .any(|span| span.trace_id == trace && span.parent_id.as_deref() == Some(caller))
        };
        let spans = self.collector.wait_for(ended).await;
        spans.into_iter().filter(|span| span.trace_id == trace).collect()
    }

    /// Asks sendgate to end, as an orchestrator would.
    pub(crate) async fn leave(mut self) -> Result<()> {
        let id = self.sendgate.id().ok_or("sendgate has ended before its time")?;
        Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status().await?;
        let status = timeout(PATIENCE, self.sendgate.wait()).await??;
        self.plivo.stop().await;
        if status.success() { Ok(()) } else { Err(format!("sendgate ended with {status}").into()) }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in the system's folder for temporary files goes with it some day.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_policies(folder: &Path) -> Result<()> {
    let built = std::env::var_os("SENDGATE_POLICIES")
        .map_or_else(|| format!("{ROOT}/target/policies").into(), PathBuf::from);
    fs::create_dir_all(folder.join("policies"))?;
    let entries = fs::read_dir(&built)
        .map_err(|err| format!("no policies ({err}); run `cargo xtask policies`"))?;
    for entry in entries {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "wasm") {
            fs::copy(entry.path(), folder.join("policies").join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The repository's configuration, moved to other ports and folders, with traces on.
fn adapted(settings: &str, plivo: &str, collector: &str) -> Result<String> {
    let throttle = "module = \"policies/throttle.wasm\"\n";
    let changes = [
        ("apps = \"127.0.0.1:8787\"", "apps = \"127.0.0.1:0\"".to_owned()),
        ("admin = \"127.0.0.1:8788\"", "admin = \"127.0.0.1:0\"".to_owned()),
        ("base_url = \"http://127.0.0.1:8790\"", format!("base_url = \"{plivo}\"")),
        ("#otlp = \"http://127.0.0.1:4318\"", format!("otlp = \"{collector}\"")),
        ("log_format = \"text\"", "log_format = \"json\"".to_owned()),
        ("\"target/policies/", "\"policies/".to_owned()),
        (throttle, format!("{throttle}apps = [\"demo\"]\n")),
    ];
    changes.iter().try_fold(settings.to_owned(), |text, (from, to)| swap(&text, from, to))
}

fn swap(text: &str, from: &str, to: &str) -> Result<String> {
    if text.contains(from) {
        Ok(text.replace(from, to))
    } else {
        Err(format!(
            "sidecar.toml has no `{from}` any more; mend crates/sidecar/examples/demo/stage.rs"
        )
        .into())
    }
}

/// Replaces a file in one step, so that nobody reads half of it.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = path.with_extension("draft");
    fs::write(&draft, bytes)?;
    Ok(fs::rename(draft, path)?)
}

fn start_sendgate(folder: &Path) -> Result<Child> {
    // Examples are built into a folder below the programs'.
    let beside = std::env::current_exe()?.ancestors().nth(2).map(Path::to_owned);
    let programs = std::env::var_os("SENDGATE_BIN")
        .map(PathBuf::from)
        .or(beside)
        .ok_or("no folder of programs")?;
    let program = programs.join("sendgate");
    let started = Command::new(&program)
        .args(["run", "--config"])
        .arg(folder.join("sidecar.toml"))
        .env("OTEL_BSP_SCHEDULE_DELAY", "200")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    started.map_err(|err| format!("{}: {err}; run `cargo build --bins`", program.display()).into())
}

/// Reads sendgate's log up to the line that tells the last address.
async fn addresses(log: &mut Lines<BufReader<ChildStdout>>) -> Result<(String, String)> {
    let (mut apps, mut admin) = (None, None);
    while let Some(line) = log.next_line().await? {
        let event: Value = serde_json::from_str(&line)?;
        let address = event["fields"]["address"].as_str().map(str::to_owned);
        match event["fields"]["listener"].as_str() {
            Some("apps") => apps = address,
            Some("admin") => admin = address,
            _ => trouble(&event),
        }
        if let (Some(apps), Some(admin)) = (&apps, &admin) {
            return Ok((apps.clone(), admin.clone()));
        }
    }
    Err("sendgate ended before it listened".into())
}

async fn show_troubles(mut log: Lines<BufReader<ChildStdout>>) {
    while let Ok(Some(line)) = log.next_line().await {
        if let Ok(event) = serde_json::from_str(&line) {
            trouble(&event);
        }
    }
}

fn trouble(event: &Value) {
    if event["level"] == "ERROR" || event["level"] == "WARN" {
        crate::note(&format!("sendgate says: {event}"));
    }
}
