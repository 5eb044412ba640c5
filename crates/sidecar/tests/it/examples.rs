//! The examples, as their READMEs tell to run them, against a sidecar with the repository's own configuration.

pub(crate) mod install;
mod languages;
mod mesh;
mod observability;
pub(crate) mod program;
mod requests;

use plivo_sim::{PlivoSim, Queued, SimConfig};
use serde_json::json;

use self::install::{installed, source};
use self::program::Program;
use crate::harness::{Answer, Folder, Sidecar, TO, eventually, module};

/// What the configurations of the examples say that a test must say otherwise: ports that are free, modules where they
/// were built, and a log that the harness reads.
async fn started(toml: &str, plivo: &PlivoSim) -> Sidecar {
    Sidecar::start_with(Folder::new(), &at_home(toml, plivo), &[]).await
}

fn at_home(toml: &str, plivo: &PlivoSim) -> String {
    let mut toml = toml.to_owned();
    for (theirs, ours) in [
        (r#"apps = "127.0.0.1:8787""#, r#"apps = "127.0.0.1:0""#),
        (r#"admin = "127.0.0.1:8788""#, r#"admin = "127.0.0.1:0""#),
        (r#""http://127.0.0.1:8790""#, &format!("\"{}\"", plivo.base_url())),
    ] {
        assert!(toml.contains(theirs), "{theirs} is not in\n{toml}");
        toml = toml.replace(theirs, ours);
    }
    for name in ["validation", "country", "dedup", "throttle", "office-hours"] {
        let module = module(name).display().to_string();
        toml = toml.replace(&format!("../../target/policies/{name}.wasm"), &module);
        toml = toml.replace(&format!("\"target/policies/{name}.wasm"), &format!("\"{module}"));
    }
    toml.replace(r#"log_format = "text""#, r#"log_format = "json""#)
}

/// The simulator as the comments of both configurations start it.
async fn plivo() -> PlivoSim {
    let account = SimConfig { auth_token: "sim-token".into(), ..SimConfig::default() };
    PlivoSim::start(account).await
}

/// Recipient, kind and text of each send.
fn seen(sends: &[Queued]) -> Vec<(&str, &str, &str)> {
    sends.iter().map(|send| (&*send.dst, &*send.kind, &*send.text)).collect()
}

fn url(sidecar: &Sidecar) -> String {
    format!("http://{}", sidecar.apps)
}

#[tokio::test]
async fn the_curl_example_sends_one_message_and_shows_every_fault_of_another() {
    Program::new("curl", "curl 7.82 or newer").arg("--version").run().await;
    let plivo = plivo().await;
    let sidecar = started(&source("sidecar.toml"), &plivo).await;

    let script = Program::at(&install::path("examples/curl/send.sh"), "bash");
    let said = script.arg(TO).env("SENDGATE_URL", &url(&sidecar)).run().await;

    let sends = plivo.sends();
    assert_eq!(sends.len(), 1, "{said}");
    assert_eq!((&*sends[0].dst, &*sends[0].kind), ("14155550123", "sms"));
    assert!(sends[0].text.starts_with("Hello from curl, process "), "another text was sent");
    for shown in [&sends[0].message_uuid, "\"submitted\"", "phone.not_e164", "text.empty"] {
        assert!(said.contains(shown), "{shown} is not in what the script shows:\n{said}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn the_node_sdk_sends_through_the_sidecar_and_reads_its_refusal() {
    let files = ["package.json", "send.js"];
    let folder = installed("examples/node-plivo-sdk", &files, install::node).await;
    let plivo = plivo().await;
    let sidecar = started(&source("sidecar.toml"), &plivo).await;

    let node = Program::new("node", "Node.js 20 or newer").within(&folder).arg("send.js");
    let said = node.env("SENDGATE_URL", &url(&sidecar)).run().await;

    an_sdk_sent(&plivo, &said, "Node");
    sidecar.stop().await;
}

#[tokio::test]
async fn the_python_sdk_sends_through_the_sidecar_and_reads_its_refusal() {
    let folder =
        installed("examples/python-plivo-sdk", &["requirements.txt", "send.py"], install::python);
    let folder = folder.await;
    let plivo = plivo().await;
    let sidecar = started(&source("sidecar.toml"), &plivo).await;

    let python = Program::at(&folder.join(".venv/bin/python"), "Python's venv module");
    let script = python.within(&folder).arg("send.py");
    let said = script.env("SENDGATE_URL", &url(&sidecar)).run().await;

    an_sdk_sent(&plivo, &said, "Python");
    sidecar.stop().await;
}

/// Both SDKs' examples do the same: an SMS, an MMS, its details, and a message to a country that is never served.
fn an_sdk_sent(plivo: &PlivoSim, said: &str, language: &str) {
    let sends = plivo.sends();
    let (sms, mms) = (format!("Hello from {language} é €"), format!("A picture from {language}"));
    let expected = [("14155550123", "sms", &*sms), ("14155550199", "mms", &*mms)];
    assert_eq!(seen(&sends), expected, "{said}");
    assert_eq!(sends[1].media_urls, ["https://cdn.example.com/a.jpg"]);
    for shown in [
        &format!("sms {}", sends[0].message_uuid),
        &format!("mms {}", sends[1].message_uuid),
        "state queued to 14155550123",
        "refused ",
        "country.hard_denied",
    ] {
        assert!(said.contains(shown), "{shown} is not in what the program shows:\n{said}");
    }
    let wrong = plivo.requests().into_iter().find(|seen| seen.path.contains("demo"));
    assert!(wrong.is_none(), "the app's name went to Plivo: {wrong:?}");
}

#[tokio::test]
async fn your_own_policy_decides_and_its_hours_change_while_it_runs() {
    let plivo = plivo().await;
    let file = source("examples/your-own-policy/sidecar.toml");
    let hours = "settings = { opens = 9, closes = 18, utc_offset_min = -300 }";
    assert!(file.contains(hours), "{hours} is not in\n{file}");
    let sidecar = started(&file, &plivo).await;
    let ask = async |path: &str, intent: &str| -> Answer {
        let message = json!({"to": TO, "text": "Ten percent off", "intent": intent});
        let request = sidecar.post(path).bearer("shop-token").header("prefer", "respond-async");
        request.json(&message).answer().await
    };
    let explained = ask("/v1/explain", "marketing").await.expect(200);
    assert_eq!(explained["policies"][0]["policy"], "office-hours", "{explained}");
    assert_eq!(explained["verdict"], "accept", "what comes at night waits: {explained}");

    let closed = format!("settings = {}", closed_now());
    sidecar.folder.write("sidecar.toml", at_home(&file.replace(hours, &closed), &plivo));
    let deferred = async || {
        let explained = ask("/v1/explain", "marketing").await.expect(200);
        (explained["transformations"][0]["code"] == "office_hours.deferred").then_some(())
    };
    eventually("the new hours are in force", deferred).await;
    let waits = ask("/v1/messages", "marketing").await.expect(202);
    ask("/v1/messages", "otp").await.expect(202);

    let path = format!("/v1/messages/{}", waits["id"].as_str().expect("an id"));
    let waiting = async || {
        let record = sidecar.request("GET", &path).bearer("shop-token").answer().await.expect(200);
        (record["status"] == "waiting" && !record["not_before"].is_null()).then_some(())
    };
    eventually("the message waits for the office to open", waiting).await;
    plivo.wait_for_sends(1, crate::harness::PATIENCE).await.expect("the one-time code is sent");
    assert_eq!(plivo.sends().len(), 1, "marketing waits");
    sidecar.stop().await;
}

/// Hours, by UTC's clock, that neither hold this instant nor one in the next hour.
fn closed_now() -> String {
    let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).hour();
    let (opens, closes) = if now <= 21 { (now + 2, now + 3) } else { (1, 2) };
    format!("{{ opens = {opens}, closes = {closes}, utc_offset_min = 0 }}")
}
