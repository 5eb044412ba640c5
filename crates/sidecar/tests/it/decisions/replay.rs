//! `sendgate replay` of the log.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{FRANCE, logs, records, send_some, setup};
use crate::harness::{Folder, Policy, SENDER, Setup, Sidecar, TO, eventually, module, plivo};
use crate::tools::{Said, sendgate};

/// Words of the texts, and a label, and the number in an intent, that no log may show.
const HIDDEN: [&str; 5] =
    ["rendezvous", "493021", "spring-with-somebody", "salt-of-dedup", "4155550188"];

async fn replay(folder: &Path, words: &[&str]) -> Said {
    let logs = logs(folder);
    let logs = logs.iter().map(String::as_str);
    let words: Vec<&str> =
        ["replay"].into_iter().chain(logs).chain(words.iter().copied()).collect();
    sendgate(folder, &words).await
}

/// What is said of all logs where they come through a pipe, as from a program that unpacks them.
async fn by_pipe(folder: &Path) -> Value {
    let whole: Vec<u8> =
        logs(folder).iter().flat_map(|name| fs::read(folder.join(name)).unwrap()).collect();
    let pipe = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writes = std::thread::spawn(move || fs::write(pipe, whole));
    let words = ["replay", "pipe", "--config", "sidecar.toml", "--all", "--json"];
    let said = sendgate(folder, &words).await.json(1);
    writes.join().unwrap().unwrap();
    said
}

async fn in_force(sidecar: &Sidecar, generation: u64) {
    let probe =
        async || (sidecar.ready().await.expect(200)["generation"] == generation).then_some(());
    eventually("the next generation is in force", probe).await;
}

#[tokio::test]
async fn what_a_running_sidecar_logs_is_decided_again_by_the_same_policies_and_by_others() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo, &["US"])).await;
    let mut sent = send_some(&sidecar, 0, 60).await;
    sidecar.folder.write("sidecar.toml", setup(&plivo, &["US", "FR"]).to_toml());
    in_force(&sidecar, 2).await;
    sent += send_some(&sidecar, 60, 60).await;
    let folder = sidecar.folder.clone();
    let folder = folder.path();
    // SIGTERM: what is queued is written.
    sidecar.stop().await;

    let records = records(folder);
    assert_eq!(records.len(), sent, "each message has its record");
    assert!(logs(folder).len() > 2, "{:?}", logs(folder));
    let of = |generation: u64| records.iter().filter(|one| one["generation"] == generation).count();
    assert_eq!((of(1), of(2)), (60, 60));
    for name in logs(folder) {
        let text = fs::read_to_string(folder.join(&name)).unwrap();
        assert!(text.starts_with(r#"{"generation":"#), "{name} does not begin with its policies");
        for hidden in HIDDEN.into_iter().chain([&TO[1..], &FRANCE[1..], &SENDER[1..]]) {
            assert!(!text.contains(hidden), "{name} has `{hidden}`");
        }
    }

    // The modules that made it, each with the settings of its generation.
    for name in ["validation", "country", "dedup", "throttle"] {
        let file = module(name);
        let said = replay(folder, &["--candidate", &file.to_string_lossy()]).await;
        assert!(said.ended(0).contains("120 decisions of "), "{}", said.out);
        assert!(said.out.contains(", none would change"), "{}", said.out);
        assert!(said.err.is_empty(), "a bar where there is no terminal: {}", said.err);
    }

    // The configuration in force by now would have let the first half go to France.
    let refused = records.iter().filter(|one| one["end"]["code"] == "country.not_allowed");
    let refused: Vec<&str> = refused.map(|one| one["id"].as_str().unwrap()).collect();
    assert!(refused.len() > 20, "{}", refused.len());
    let said = replay(folder, &["--config", "sidecar.toml", "--all", "--json"]).await.json(1);
    assert_eq!(said["changed"], refused.len(), "{said:#}");
    let changes = said["changes"].as_array().unwrap();
    assert!(changes.iter().all(|one| one["from"] == "country.not_allowed"), "{said:#}");
    let ids = changes.iter().flat_map(|one| one["ids"].as_array().unwrap());
    let mut ids: Vec<&str> = ids.map(|id| id.as_str().unwrap()).collect();
    ids.sort_unstable();
    let mut wanted = refused.clone();
    wanted.sort_unstable();
    assert_eq!(ids, wanted);
    assert!(said["guessed"].as_u64() > Some(0), "what follows `country` was not asked then");
    assert_eq!(by_pipe(folder).await, said);

    // Another module in the place of one, which lets nobody through who is not verified.
    let file = module("trial");
    let words = ["--candidate", &*file.to_string_lossy(), "--policy", "validation"];
    let said = replay(folder, &words).await;
    let parts = [
        "  validation: accept -> trial.not_verified\n",
        "apps: demo 120",
        "countries: FR 60, US 60",
        "and 115 more",
    ];
    for part in parts {
        assert!(said.ended(1).contains(part), "no `{part}` in {}", said.out);
    }

    // Nobody tells which policies it was: nothing is compared, which is not that nothing would change.
    for name in logs(folder) {
        let text = fs::read_to_string(folder.join(&name)).unwrap();
        let records = text.lines().filter(|line| !line.starts_with(r#"{"generation":"#));
        fs::write(folder.join(&name), records.map(|line| format!("{line}\n")).collect::<String>())
            .unwrap();
    }
    let said = replay(folder, &["--candidate", &file.to_string_lossy()]).await;
    assert!(said.ended(2).contains("0 decided again, nothing can be said"), "{}", said.out);
    assert!(said.err.contains("none of 120 decisions could be compared"), "{}", said.err);
}

#[tokio::test]
async fn a_log_that_is_named_twice_counts_once_and_the_report_says_so() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo, &["US", "FR"])).await;
    let sent = send_some(&sidecar, 0, 4).await;
    let folder = sidecar.folder.clone();
    let folder = folder.path();
    sidecar.stop().await;
    fs::hard_link(folder.join("d.jsonl"), folder.join("hard.jsonl")).unwrap();
    std::os::unix::fs::symlink("d.jsonl", folder.join("soft.jsonl")).unwrap();
    let logs = ["replay", "d.jsonl", "./d.jsonl", "hard.jsonl", "soft.jsonl"];
    let words = [&logs[..], &["--config", "sidecar.toml"]].concat();
    let said = sendgate(folder, &words).await;
    let (told, remark) = (said.ended(0), "is the same file as d.jsonl, and was read once");
    assert!(told.starts_with(&format!("{sent} decisions of 1 log: ")), "{told}");
    for path in &logs[2..] {
        assert!(told.contains(&format!("  {path} {remark}")), "{path}: {told}");
    }
    let shown = sendgate(folder, &[&words[..], &["--json"]].concat()).await.json(0);
    assert_eq!(shown["decisions"], sent, "{shown:#}");
    let log = fs::read(folder.join("d.jsonl")).unwrap();
    fs::write(folder.join("marked.jsonl"), [&b"\xef\xbb\xbf"[..], &log].concat()).unwrap();
    let text = String::from_utf8(log).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (head, last) = (lines[0], lines[lines.len() - 1]);
    fs::write(folder.join("newer.jsonl"), format!("{head}\n{last}\n")).unwrap();
    let turned = ["replay", "newer.jsonl", "d.jsonl", "--config", "sidecar.toml", "--json"];
    let turned = sendgate(folder, &turned).await.json(0);
    let order = "read in the order of their records: d.jsonl, newer.jsonl";
    assert_eq!(turned["remarks"][0], order, "{turned:#}");
    let marked = sendgate(folder, &["replay", "marked.jsonl", "--config", "sidecar.toml"]).await;
    assert!(marked.ended(0).starts_with(&format!("{sent} decisions of 1 log: ")), "{}", marked.out);
    assert_eq!(shown["remarks"][0], format!("./d.jsonl {remark}"), "{shown:#}");
}

#[tokio::test]
async fn a_configuration_whose_candidate_does_not_fit_is_at_fault_as_for_check() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo, &["US"])).await;
    send_some(&sidecar, 0, 1).await;
    let folder = sidecar.folder.clone();
    sidecar.stop().await;
    let candidate = module("trial").to_string_lossy().into_owned();
    let trial = Policy::new("trial").set("candidate", candidate);
    let trial = trial.set("candidate_settings", json!({"verified": ["?"]}));
    folder.write("sidecar.toml", setup(&plivo, &["US"]).policy(trial).to_toml());
    let refused = replay(folder.path(), &["--config", "sidecar.toml"]).await;
    refused.ended(2);
    assert!(refused.err.contains("candidate_settings.verified[0]"), "{}", refused.err);
    fs::remove_file(folder.path().join("d.jsonl")).unwrap();
    sendgate(folder.path(), &["run"]).await.ended(2);
    assert!(!folder.path().join("d.jsonl").exists(), "a start that is refused leaves a log");
    let checked = sendgate(folder.path(), &["check", "--config", "sidecar.toml"]).await;
    assert_eq!(refused.err, checked.err);
}

#[tokio::test]
async fn a_start_that_cannot_listen_leaves_no_log() {
    let plivo = plivo().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let apps = taken.local_addr().unwrap().to_string();
    let folder = Folder::new();
    folder.write("sidecar.toml", setup(&plivo, &["US"]).set("listen.apps", apps).to_toml());
    let refused = sendgate(folder.path(), &["run"]).await;
    refused.ended(1);
    assert!(refused.err.contains("could not be bound"), "{}", refused.err);
    assert!(!folder.path().join("d.jsonl").exists(), "a start that cannot listen leaves a log");
}

#[tokio::test]
async fn a_replay_that_cannot_be_says_why_and_ends_with_two() {
    let folder = Folder::new();
    let file = module("country");
    let file = file.to_string_lossy();
    let none = sendgate(folder.path(), &["replay", "none.jsonl", "--candidate", &file]).await;
    none.ended(2);
    assert!(none.err.starts_with("none.jsonl cannot be read: No such file"), "{}", none.err);
    folder.write("d.jsonl", "{}\n");
    let empty = sendgate(folder.path(), &["replay", "d.jsonl", "--candidate", &file]).await;
    empty.ended(2);
    assert!(
        empty.err.starts_with("the logs tell of no decision (1 lines are none)"),
        "{}",
        empty.err
    );
    for words in [&["replay", "d.jsonl"][..], &["replay", "--candidate", "x.wasm"]] {
        sendgate(folder.path(), words).await.ended(2);
    }

    // A whole configuration with faults: what `check` says of it.
    let plivo = plivo().await;
    let faulty = Setup::standard(&plivo)
        .set("store.colour", "red")
        .policy(Policy::new("country").set("module", "none.wasm"))
        .policy(Policy::new("trial").settings(json!({"verified": ["?"]})));
    folder.write("sidecar.toml", faulty.to_toml());
    let words = ["replay", "d.jsonl", "--config", "sidecar.toml"];
    let refused = sendgate(folder.path(), &words).await;
    refused.ended(2);
    let checked = sendgate(folder.path(), &["check", "--config", "sidecar.toml"]).await;
    assert_eq!(refused.err, checked.err);
    for part in ["sidecar.toml:", "store.colour", "there is no module at", "settings.verified[0]"] {
        assert!(refused.err.contains(part), "no `{part}` in {}", refused.err);
    }
}
