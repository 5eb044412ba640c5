//! Policies in other languages, built and tested by the commands of their READMEs: each decides as its twin in Rust, and
//! none finds anything of the machine.

use std::fs;
use std::path::{Path, PathBuf};

use plivo_sim::PlivoSim;
use serde_json::{Value, json};
use uuid::Uuid;

use super::install::{installed, source};
use super::program::Program;
use super::{at_home, plivo};
use crate::harness::{Folder, PATIENCE, Sidecar, TO, module};
use crate::tools::{sendgate, with_cases};

const OTHER: &str = "+14155550199";
const JAVASCRIPT: [&str; 8] = [
    "README.md",
    "package.json",
    "package-lock.json",
    "policy.js",
    "cases.toml",
    "sidecar.toml",
    "wit/world.wit",
    "wit/deps/policy.wit",
];
const PYTHON: [&str; 7] = [
    "README.md",
    "requirements.txt",
    "policy.py",
    "cases.toml",
    "sidecar.toml",
    "wit/world.wit",
    "wit/deps/policy.wit",
];

/// A folder with the example `name`, built there by the commands that its README begins with.
async fn built(name: &str, files: &[&str]) -> PathBuf {
    let build = async |folder: &Path| build(folder, "introduction.wasm").await;
    installed(&format!("examples/{name}"), files, build).await
}

async fn build(folder: &Path, module: &str) {
    let readme = fs::read_to_string(folder.join("README.md")).expect("a README");
    let block = readme.lines().skip_while(|line| !line.starts_with("    "));
    let commands: Vec<&str> = block.map_while(|line| line.strip_prefix("    ")).collect();
    assert!(!commands.is_empty(), "{} does not begin with commands", folder.display());
    for command in &commands {
        run(folder, command.split(" #").next().unwrap_or(command).trim()).await;
    }
    assert!(folder.join(module).is_file(), "{commands:?} build no {module}");
}

/// The commands of the README in `folder` that test the module and see whether it loads.
async fn check(folder: &Path) {
    let readme = fs::read_to_string(folder.join("README.md")).expect("a README");
    let commands = readme.lines().filter_map(|line| line.strip_prefix("    "));
    let checks = ["sendgate policy test", "sendgate check"];
    let commands: Vec<&str> =
        commands.filter(|line| checks.iter().any(|check| line.starts_with(check))).collect();
    assert_eq!(commands.len(), checks.len(), "{commands:?}");
    for command in commands {
        run(folder, command).await;
    }
}

async fn run(folder: &Path, command: &str) -> String {
    let mut words = command.split(' ');
    let program = match words.next().expect("a program") {
        "sendgate" => Program::at(Path::new(env!("CARGO_BIN_EXE_sendgate")), "cargo build"),
        own if own.contains('/') => Program::at(&folder.join(own), "the example's dependencies"),
        other => Program::new(other, "Node.js 20 with npm, and Python 3.10 with venv"),
    };
    program.within(folder).args(&words.collect::<Vec<_>>()).run().await
}

/// A sidecar with the configuration of `example`, whose module is at `module`, and compiled in `cache`.
async fn loaded(example: &str, module: &Path, cache: &Path) -> (Sidecar, PlivoSim) {
    let plivo = plivo().await;
    let mut toml = at_home(&source(&format!("examples/{example}/sidecar.toml")), &plivo);
    for (theirs, ours) in [("introduction.wasm", module), ("compiled", cache)] {
        let theirs = format!("= \"{theirs}\"");
        assert!(toml.contains(&theirs), "{theirs} is not in\n{toml}");
        toml = toml.replace(&theirs, &format!("= {ours:?}"));
    }
    (Sidecar::start_with(Folder::new(), &toml, &[]).await, plivo)
}

async fn post(sidecar: &Sidecar, path: &str, to: &str, intent: &str, text: &str) -> Value {
    let message = json!({"to": to, "text": text, "intent": intent});
    let request = sidecar.post(path).bearer("shop-token").header("prefer", "respond-async");
    request.json(&message).answer().await.json()
}

/// What the policy of `example` says of one message after the other, and that it goes on from there.
async fn introduces(example: &str, module: &Path, cache: &Path) {
    let (sidecar, plivo) = loaded(example, module, cache).await;
    let first = json!([{"key": "introduction.first", "value": "true"}]);
    let missing = |words: &str| {
        let detail = format!("the first message to a handset must hold {words}");
        json!({"code": "introduction.missing", "detail": detail, "pointer": "/text"})
    };
    for (to, intent, text, says) in [
        (TO, "otp", "Your code is 1234", json!([])),
        (TO, "marketing", "Ten percent off", missing(r#""Acme" and "STOP""#)),
        (TO, "marketing", "ACME: ten percent off", missing(r#""STOP""#)),
        (TO, "marketing", "Acme: ten percent off. Reply stop to end", first),
        (TO, "marketing", "Twenty percent off", json!([])),
        (OTHER, "marketing", "Twenty percent off", missing(r#""Acme" and "STOP""#)),
    ] {
        let explained = post(&sidecar, "/v1/explain", to, intent, text).await;
        let notes = &explained["policies"][0]["notes"];
        let sent = post(&sidecar, "/v1/messages", to, intent, text).await;
        let said = if sent["status"] == 422 { &sent["errors"][0] } else { notes };
        assert_eq!(*said, says, "{example} of {text:?} to {to}:\n{explained:#}\n{sent:#}");
    }
    plivo.wait_for_sends(3, PATIENCE).await.expect("the three that pass are sent");
    sidecar.stop().await;
}

/// The component in `folder` does not load with a case that it fails.
async fn is_refused_by_its_cases(folder: &Path) {
    let own = Folder::new();
    own.write("cases.toml", "[[case]]\nname = \"wrong\"\nsettings = { brand = \"Acme\" }\nmessage.intent = \"marketing\"\n\
                             expect = { verdict = \"accept\" }\n");
    let bare = folder.join("bare.wasm");
    let wrong = "the module fails its own case `wrong`: verdict: expected accept, found reject";
    let words = ["policy", "embed", &*bare.to_string_lossy(), "--cases", "cases.toml"];
    let words = [&words[..], &["--out", "introduction.wasm"]].concat();
    let said = sendgate(own.path(), &words).await;
    said.ended(2);
    assert!(said.err.contains(wrong), "{}", said.err);
    assert!(!own.path().join("introduction.wasm").exists(), "what fails its cases was written");

    let cases = fs::read_to_string(own.path().join("cases.toml")).expect("the case");
    own.write("introduction.wasm", with_cases(fs::read(bare).expect("a component"), &cases));
    own.write("sidecar.toml", source("examples/javascript-policy/sidecar.toml"));
    let said = sendgate(own.path(), &["check"]).await;
    said.ended(2);
    assert!(said.err.contains(wrong), "{}", said.err);
}

#[tokio::test]
async fn the_javascript_policy_decides_as_its_readme_says() {
    let folder = built("javascript-policy", &JAVASCRIPT).await;
    check(&folder).await;
    is_refused_by_its_cases(&folder).await;
    introduces("javascript-policy", &folder.join("introduction.wasm"), &folder.join("compiled"))
        .await;
}

#[tokio::test]
async fn the_python_policy_decides_as_its_readme_says() {
    let folder = built("python-policy", &PYTHON).await;
    check(&folder).await;
    introduces("python-policy", &folder.join("introduction.wasm"), &folder.join("compiled")).await;
}

#[tokio::test]
async fn their_twin_in_rust_decides_the_same() {
    let folder = Folder::new();
    introduces("python-policy", &module("introduction"), &folder.path().join("compiled")).await;
}

#[tokio::test]
async fn a_policy_with_wasi_finds_nothing_of_the_machine() {
    let folder = built("javascript-policy", &JAVASCRIPT).await;
    let probe = folder.join(Uuid::new_v4().to_string());
    fs::create_dir_all(probe.join("wit/deps")).expect("a folder");
    for (file, text) in [
        ("policy.js", include_str!("wasi/policy.js")),
        ("wit/world.wit", include_str!("wasi/world.wit")),
        ("wit/deps/policy.wit", &source("crates/policy-wit/wit/policy.wit")),
    ] {
        fs::write(probe.join(file), text).expect("a file");
    }
    let componentize = folder.join("node_modules/.bin/componentize-qjs").display().to_string();
    let build = "--sync --opt-size --wit wit --world wasi --js policy.js --output wasi.wasm";
    run(&probe, &format!("{componentize} {build}")).await;

    let (sidecar, _plivo) =
        loaded("javascript-policy", &probe.join("wasi.wasm"), &probe.join("compiled")).await;
    let asked = post(&sidecar, "/v1/explain", TO, "otp", "hello").await;
    let found = |key: &str| {
        let notes = asked["policies"][0]["notes"].as_array().expect("notes");
        let note = notes.iter().find(|note| note["key"] == key);
        note.unwrap_or_else(|| panic!("{key} is not told: {asked:#}"))["value"].clone()
    };
    for (what, told) in [
        ("environment", "[]"),
        ("arguments", "[]"),
        ("folder", "null"),
        ("folders", "[]"),
        ("input", r#"refused: {"tag":"closed"}"#),
        ("socket", r#"refused: "access-denied""#),
        ("clock", "0"),
        ("date", "0"),
        ("waited", "3600"),
    ] {
        assert_eq!(found(what), told, "{what}: {asked:#}");
    }
    assert!(found("random").as_str().is_some_and(|drawn| drawn.len() > 3), "{asked:#}");
    let heard = |events: &[Value]| {
        let printed = |event: &&Value| event["message"] == "asked about •";
        events.iter().find(printed).map(|_| ())
    };
    sidecar.log.wait_for("what it prints is in the log", heard).await.expect("it runs on");

    let ended = post(&sidecar, "/v1/explain", TO, "otp", "exit").await;
    assert_eq!(ended["problem"]["code"], "policy.module_failed", "{ended:#}");
    let asked = post(&sidecar, "/v1/explain", TO, "otp", "hello").await;
    assert_eq!(asked["verdict"], "accept", "after one that ended itself: {asked:#}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_new_policy_is_the_example_under_its_own_name() {
    let folder = Folder::new();
    for (lang, files) in [("javascript", &JAVASCRIPT[..]), ("python", &PYTHON)] {
        run(folder.path(), &format!("sendgate policy new {lang}/introduction --lang {lang}")).await;
        for file in files {
            let made = folder.path().join(lang).join("introduction").join(file);
            let made = fs::read_to_string(&made).expect("a file of the new policy");
            assert_eq!(made, source(&format!("examples/{lang}-policy/{file}")), "{lang}: {file}");
        }
    }
    run(folder.path(), "sendgate policy new acme-hello --lang javascript").await;
    let made = folder.path().join("acme-hello");
    build(&made, "acme-hello.wasm").await;
    check(&made).await;
}
