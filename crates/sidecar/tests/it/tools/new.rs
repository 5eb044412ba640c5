//! A policy from nothing, as somebody new makes it: begun, changed, tested, loaded, broken, taken back.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use plivo_sim::{PlivoSim, SimConfig};
use serde_json::json;
use telemetry::collector::{Collector, SpanSeen};

use super::sendgate;
use crate::examples::install::{path, source};
use crate::examples::program::Program;
use crate::harness::{Answer, DockerRegistry, Folder, Sidecar, TO, eventually};

/// Where a release build for wasm32 puts the module.
const BUILT: &str = "target/wasm32-unknown-unknown/release/acme_words.wasm";
/// Where the page's commands put it to be loaded.
const SHIPPED: &str = "acme_words.wasm";
/// Where decisions are written down.
const LOG: &str = "decisions.jsonl";

/// A policy on its way: its files, and the sidecar that loads it.
struct Begun {
    /// Gone with it.
    _folder: Folder,
    /// Where commands are run; `cd` changes it.
    at: PathBuf,
    running: Option<(PlivoSim, Collector, Sidecar)>,
    registry: DockerRegistry,
}

impl Begun {
    fn nothing() -> Self {
        let folder = Folder::new();
        let registry = DockerRegistry::start();
        Self { at: folder.path().to_owned(), _folder: folder, running: None, registry }
    }

    /// Runs a command of the page; returns what it wrote.
    async fn run(&mut self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        match &words[..] {
            ["sendgate", "policy", "new", name] => {
                let said = sendgate(&self.at, &["policy", "new", name]).await;
                keep_builds(&self.at.join(name));
                said.ended(0).to_owned()
            }
            ["cd", folder] => {
                self.at.push(folder);
                String::new()
            }
            ["cargo", "build", ..] if !has_target() => {
                // As the page says for machines without rustup's target.
                let crate_ = self.at.to_string_lossy();
                let xtask = Program::new("cargo", "Rust").within(&path("."));
                xtask.args(&["xtask", "policies", &crate_]).run().await
            }
            ["cargo", rest @ ..] => {
                let cargo = Program::new("cargo", "Rust").within(&self.at).args(rest);
                // Half the time to build, and nothing else.
                cargo.env("CARGO_PROFILE_DEV_DEBUG", "0").run().await
            }
            ["plivo-sim", rest @ ..] => {
                assert_eq!(
                    rest.join(" "),
                    "--listen 127.0.0.1:8790 --auth-id MAXXXXXXXXXXXXXXXXXX --auth-token sim-token &"
                );
                String::new()
            }
            ["sendgate", "run", "--config", file, "&"] => {
                self.running = Some(self.start(&source_of(&self.at.join(file))).await);
                String::new()
            }
            ["sendgate", "rollback", "--config", _] => {
                let admin = format!("http://{}", self.running().1.admin);
                let sendgate =
                    Program::at(Path::new(env!("CARGO_BIN_EXE_sendgate")), "this program");
                let rollback = sendgate.args(&["rollback", "--admin", &admin]);
                rollback.env("SENDGATE_ADMIN_TOKEN", "demo-admin-token").run().await
            }
            ["sendgate", "replay", rest @ ..] => {
                let words = [&["replay"], rest].concat();
                // Until something was written down; it ends with 1 where something would be otherwise.
                let told = async || {
                    let said = sendgate(&self.at, &words).await;
                    matches!(said.code, Some(0 | 1)).then_some(said.out)
                };
                eventually("there is a decision to replay", told).await
            }
            ["sendgate", ..] => {
                let command = command.replace("127.0.0.1:5000", &self.registry.host());
                let words: Vec<&str> = command.split_whitespace().skip(1).collect();
                sendgate(&self.at, &words).await.ended(0).to_owned()
            }
            ["curl" | "cp" | "mv" | "openssl", ..] => {
                let sidecar = self.running.as_ref().map(|(.., sidecar)| sidecar);
                let command = sidecar.map_or_else(
                    || command.to_owned(),
                    |sidecar| {
                        let apps = command.replace("127.0.0.1:8787", &sidecar.apps.to_string());
                        apps.replace("127.0.0.1:8788", &sidecar.admin.to_string())
                    },
                );
                Program::new("sh", "a shell, and curl")
                    .within(&self.at)
                    .args(&["-c", &command])
                    .run()
                    .await
            }
            _ => panic!("who runs `{command}`?"),
        }
    }

    /// What the policy's own configuration starts, with ports that are free, and a collector.
    async fn start(&self, toml: &str) -> (PlivoSim, Collector, Sidecar) {
        let account = SimConfig { auth_token: "sim-token".into(), ..SimConfig::default() };
        let (plivo, collector) = (PlivoSim::start(account).await, Collector::start_http());
        let mut toml = toml.to_owned();
        for (theirs, ours) in [
            ("127.0.0.1:8787", "127.0.0.1:0"),
            ("127.0.0.1:8788", "127.0.0.1:0"),
            ("http://127.0.0.1:8790", &plivo.base_url()),
            (SHIPPED, &self.at.join(SHIPPED).to_string_lossy()),
            (LOG, &self.at.join(LOG).to_string_lossy()),
        ] {
            assert!(toml.contains(theirs), "{theirs} is not in\n{toml}");
            toml = toml.replace(theirs, ours);
        }
        toml +=
            &format!("\n[telemetry]\notlp = \"{}\"\nlog_format = \"json\"\n", collector.endpoint());
        let environment = [("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "20".to_owned())];
        let sidecar = Sidecar::start_with(Folder::new(), &toml, &environment).await;
        (plivo, collector, sidecar)
    }

    fn running(&self) -> (&Collector, &Sidecar) {
        let (_, collector, sidecar) = self.running.as_ref().expect("it runs by now");
        (collector, sidecar)
    }

    /// What the sidecar answers to a message with this text.
    async fn send(&self, text: &str) -> Answer {
        let post = self.running().1.post("/v1/messages").bearer("demo-token");
        post.json(&json!({"to": TO, "text": text})).answer().await
    }

    /// Waits until a message with this text gets this status.
    async fn until(&self, text: &str, status: u16) {
        let probe = async || (self.send(text).await.status == status).then_some(());
        eventually(&format!("`{text}` is answered with {status}"), probe).await;
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let (file, text) = (self.at.join(file), source_of(&self.at.join(file)));
        assert!(text.contains(from), "{from} is not in\n{text}");
        fs::write(file, text.replace(from, to)).expect("a file");
    }
}

/// Builds beside this repository's policies: what both need was compiled with them, as their settings are the same.
fn keep_builds(crate_: &Path) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("wasm");
    fs::create_dir_all(&target).expect("a folder");
    symlink(&target, crate_.join("target")).expect("a link");
    // Within this repository cargo takes the same flags from above, and would have each of them twice.
    fs::remove_file(crate_.join(".cargo/config.toml")).expect("how it is linked");
    fs::copy(path("Cargo.lock"), crate_.join("Cargo.lock")).expect("a copy");
}

fn source_of(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|err| panic!("{}: {err}", file.display()))
}

/// Whether the toolchain in use builds for wasm32 by itself.
fn has_target() -> bool {
    let words = ["--print", "target-libdir", "--target", "wasm32-unknown-unknown"];
    let printed = Command::new("rustc").args(words).output().expect("rustc runs");
    Path::new(String::from_utf8_lossy(&printed.stdout).trim()).is_dir()
}

/// The commands that `text` shows, each indented by four; a line that ends with a backslash goes on.
fn commands(text: &str) -> Vec<String> {
    const PROGRAMS: [&str; 8] =
        ["cargo", "sendgate", "plivo-sim", "curl", "cd", "cp", "mv", "openssl"];
    let text = text.replace("\\\n", " ");
    let shown = text.lines().filter_map(|line| line.strip_prefix("    "));
    let is_command =
        |line: &&str| line.split(' ').next().is_some_and(|word| PROGRAMS.contains(&word));
    shown.filter(is_command).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_commands_of_the_page_lead_from_nothing_into_production_and_a_broken_module_does_not() {
    let mut begun = Begun::nothing();
    let page = commands(&source("policies/README.md"));
    let mut said = Vec::new();
    let (last, page): (Vec<String>, Vec<String>) =
        page.into_iter().partition(|command| command.starts_with("sendgate rollback"));
    for command in &page {
        said.push(begun.run(command).await);
    }
    let after = |start: &str| {
        let nth = page.iter().position(|command| command.starts_with(start));
        &said[nth.unwrap_or_else(|| panic!("no `{start}` in {page:#?}"))]
    };
    assert!(
        after("curl -s http://127.0.0.1:8787/v1/explain").contains("words.listed"),
        "{said:#?}"
    );
    assert!(after("curl -s http://127.0.0.1:8788/policies").contains("acme-words"), "{said:#?}");
    assert!(
        after("curl -s http://127.0.0.1:8788/readyz").contains(r#""reload_refused": null"#),
        "{said:#?}"
    );
    let pushed = after("sendgate policy push").trim();
    assert!(pushed.contains("/acme-words:1@sha256:"), "{pushed}");
    let inspected = after("sendgate policy inspect oci://");
    assert!(inspected.contains(&format!("module = \"{pushed}\"")), "{inspected}");
    assert!(after("sendgate replay").contains("none would change"), "{said:#?}");
    begun.send("the lottery").await.refused(422, "words.listed");

    // The rule changes: first what it should say, which the module that is built does not.
    let case = "\n[[case]]\nname = \"capitals count as small letters\"\nmessage.text = \"You won the LOTTERY\"\n\
                expect = { verdict = \"reject\", code = \"words.listed\" }\n";
    let cases = source_of(&begun.at.join("cases.toml"));
    fs::write(begun.at.join("cases.toml"), cases + case).expect("a file");
    let tested = sendgate(&begun.at, &["policy", "test", BUILT, "--cases", "cases.toml"]).await;
    assert!(tested.ended(1).contains("DIFFERS  capitals count as small letters"), "{}", tested.out);
    let rule = "message.text.contains(word.as_str())";
    begun.edit("src/lib.rs", rule, "message.text.to_lowercase().contains(&word.to_lowercase())");
    let again = |command: &&String| {
        let once = ["sendgate policy new", "cd ", "plivo-sim", "sendgate run", "curl"];
        !once.iter().any(|start| command.starts_with(start))
    };
    for command in page.iter().filter(again) {
        let told = begun.run(command).await;
        assert!(!command.contains("replay") || told.contains("words.listed"), "{told}");
    }

    // It came into force by copying the file; its verdict is answered, and is a span of the request's trace.
    begun.until("the LOTTERY, again", 422).await;
    let answer = begun.send("the LOTTERY").await;
    assert_eq!(answer.refused(422, "words.listed")["policy"]["name"], "acme-words", "{answer}");
    let trace = answer.header("sendgate-trace-id").expect("a trace").to_owned();
    let is_it = |span: &SpanSeen| {
        span.trace_id == trace && span.attribute("policy.name") == Some("acme-words")
    };
    let spans = begun.running().0.wait_for(|spans| spans.iter().any(is_it)).await;
    let span = spans.iter().find(|span| is_it(span)).expect("the policy's span");
    let told = ["policy.verdict", "policy.code"].map(|name| span.attribute(name));
    assert_eq!(told, [Some("reject"), Some("words.listed")], "{span:#?}");

    // A broken one leaves the last good one in force, and is told.
    let whole = fs::read(begun.at.join(SHIPPED)).expect("a module");
    fs::write(begun.at.join(SHIPPED), &whole[..whole.len() / 2]).expect("a file");
    let told = async || {
        let ready = begun.running().1.ready().await.expect(200);
        let wanted = "policies.acme-words.module: the module ends in the middle of a section";
        ready["reload_refused"].to_string().contains(wanted).then_some(())
    };
    eventually("the broken module is refused", told).await;
    begun.send("the LOTTERY, still").await.refused(422, "words.listed");

    // Rolled back, to the rule before.
    assert_eq!(last.len(), 1, "the page says once how to go back: {last:#?}");
    begun.run(&last[0]).await;
    begun.send("the LOTTERY, once more").await.expect(202);
    begun.send("the lottery, once more").await.refused(422, "words.listed");
    let (.., sidecar) = begun.running.take().expect("it runs");
    sidecar.stop().await;
}

#[tokio::test]
async fn nothing_is_written_over_and_no_name_is_taken_that_a_crate_cannot_have() {
    let folder = Folder::new();
    let new =
        async |words: &[&str]| sendgate(folder.path(), &[&["policy", "new"], words].concat()).await;
    new(&["taken"]).await.ended(0);
    let again = new(&["taken"]).await;
    again.ended(2);
    assert_eq!(again.err, "taken is there already; choose another name, or remove it\n");
    for name in ["Acme", "no_words", "2no", "fn", "policy-sdk"] {
        let refused = new(&[name]).await;
        refused.ended(2);
        assert!(refused.err.contains("a policy is called by 1 to 56 of a-z"), "{}", refused.err);
        assert!(!folder.path().join(name).exists(), "{name} was written");
    }
    new(&["away", "--sdk", "https://example.com/sendgate.git"]).await.ended(0);
    let useless = new(&["script", "--lang", "python", "--sdk", "."]).await;
    useless.ended(2);
    assert!(useless.err.starts_with("--sdk is for policies in Rust"), "{}", useless.err);
    let manifest = source_of(&folder.path().join("away/Cargo.toml"));
    assert!(
        manifest.contains("policy-sdk = { git = \"https://example.com/sendgate.git\" }"),
        "{manifest}"
    );
    for file in
        ["Cargo.toml", "README.md", "src/lib.rs", "cases.toml", "sidecar.toml", ".gitignore"]
    {
        let text = source_of(&folder.path().join("taken").join(file));
        assert!(!text.contains("{{"), "a placeholder was left in {file}:\n{text}");
    }
}

/// What a new policy's own page says is a part of the page above, so that it is run as well.
#[test]
fn the_commands_of_a_new_policys_page_are_run_too() {
    let made =
        source("crates/sidecar/src/policy/new/rust/README.md").replace("{{file}}", "acme_words");
    let (made, page) = (commands(&made), commands(&source("policies/README.md")));
    assert_eq!(made.len(), 7, "{made:#?}");
    for command in made {
        assert!(page.contains(&command), "`{command}` is not in {page:#?}");
    }
}
