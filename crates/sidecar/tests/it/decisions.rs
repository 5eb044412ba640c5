//! The decision log of a running sidecar, and `sendgate replay` of it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use plivo_sim::PlivoSim;
use serde_json::{Value, json};

use telemetry::collector::Collector;

use crate::harness::{Folder, Policy, SENDER, Setup, Sidecar, TO, eventually, module, plivo};
use crate::tools::{Said, sendgate};

const FRANCE: &str = "+33612345678";
/// Words of the texts, and a label, and the number in an intent, that no log may show.
const HIDDEN: [&str; 5] =
    ["rendezvous", "493021", "spring-with-somebody", "salt-of-dedup", "4155550188"];

/// Refusals, changes and state; `countries` may be texted.
fn setup(plivo: &PlivoSim, countries: &[&str]) -> Setup {
    let dedup = json!({"window_s": 30, "mode": "reject", "salt": "salt-of-dedup"});
    let app = json!({"name": "app", "scope": "app", "kind": "window", "quota": 1000, "per_s": 60});
    Setup::new(plivo)
        .set("decisions.path", "d.jsonl")
        .set("decisions.max_bytes", 65_536)
        .set("decisions.keep", 20)
        .set("store.hash_key", "a-key-of-hashes-that-is-long-enough")
        .policy(Policy::new("validation"))
        .policy(Policy::new("country").settings(json!({"allow": countries})))
        .policy(Policy::new("dedup").settings(dedup))
        .policy(Policy::new("throttle").settings(json!({"limits": [app]})))
}

/// Messages to two countries, every fourth of them a repetition; how many.
async fn send_some(sidecar: &Sidecar, from: usize, count: usize) -> usize {
    for nth in from..from + count {
        let text = format!("rendezvous {} at five, code 493021", nth - nth % 4 / 3);
        let to = if nth % 2 == 0 { TO } else { FRANCE };
        let body = json!({
            "to": to, "text": text, "intent": "of-4155550188", "tags": {"campaign": "spring-with-somebody"},
        });
        let answer = sidecar.post("/v1/messages").json(&body).answer().await;
        assert!([202, 403, 409].contains(&answer.status), "status {}", answer.status);
    }
    count
}

/// The logs in `folder`, the oldest first.
fn logs(folder: &Path) -> Vec<String> {
    let older = (1..20).rev().map(|nth| format!("d.jsonl.{nth}"));
    older.chain(["d.jsonl".to_owned()]).filter(|name| folder.join(name).exists()).collect()
}

fn records(folder: &Path) -> Vec<Value> {
    let read = |name: &String| fs::read_to_string(folder.join(name)).unwrap();
    let text: String = logs(folder).iter().map(read).collect();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line.get("decision").cloned()).collect()
}

async fn replay(folder: &Path, words: &[&str]) -> Said {
    let logs = logs(folder);
    let logs = logs.iter().map(String::as_str);
    let words: Vec<&str> =
        ["replay"].into_iter().chain(logs).chain(words.iter().copied()).collect();
    sendgate(folder, &words).await
}

async fn shown(sidecar: &Sidecar) -> Value {
    sidecar.ready().await.expect(200)["decisions"].clone()
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
async fn a_log_that_cannot_be_written_is_told_and_harms_no_message() {
    let plivo = plivo().await;
    let folder = Folder::new();
    std::os::unix::fs::symlink("missing/d.jsonl", folder.path().join("d.jsonl")).unwrap();
    let sidecar = Sidecar::start_in(folder, setup(&plivo, &["US"])).await;
    let body = json!({"to": TO, "text": "hello"});
    sidecar.send(&body).await.expect(202);
    let probe = async || Some(shown(&sidecar).await).filter(|shown| shown["failed"] == 1);
    let said = eventually("the loss is told", probe).await;
    let trouble = said["trouble"].as_str().unwrap();
    assert!(trouble.contains("d.jsonl: No such file or directory"), "{said}");

    // Mended, it goes on by itself.
    fs::create_dir(sidecar.folder.path().join("missing")).unwrap();
    let mut nth = 0;
    let probe = async || {
        nth += 1;
        sidecar.send(&json!({"to": TO, "text": format!("hello {nth}")})).await.expect(202);
        Some(shown(&sidecar).await).filter(|shown| shown["written"].as_u64() > Some(0))
    };
    let said = eventually("the log is written again", probe).await;
    assert_eq!(said["trouble"], Value::Null, "{said}");
    let folder = sidecar.folder.clone();
    let log = sidecar.stop().await;
    for line in ["the decision log cannot be written", "the decision log is written again"] {
        assert!(log.text().contains(line), "no `{line}` in the log");
    }
    assert!(!records(folder.path()).is_empty());
}

/// How many records the file at `path` has, behind the line that tells the policies.
fn records_of(path: &Path) -> usize {
    let text = fs::read_to_string(path).unwrap();
    let (head, records) = text.split_once('\n').unwrap();
    assert!(head.starts_with(r#"{"generation":"#), "{head}");
    records.lines().filter(|line| line.starts_with(r#"{"decision":"#)).count()
}

#[tokio::test]
async fn a_log_that_was_moved_or_removed_is_made_anew_and_nothing_counts_that_no_file_has() {
    let plivo = plivo().await;
    let folder = Folder::new();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let setup = setup(&plivo, &["US"]).set("decisions.path", "logs/d.jsonl");
    let sidecar = Sidecar::start_in(folder, setup).await;
    let (log, moved) = (logs.join("d.jsonl"), logs.join("moved"));
    let send = async |text: &str| {
        sidecar.send(&json!({"to": TO, "text": text})).await.expect(202);
    };
    let counted = async |member: &str, count: u64| {
        let probe = async || Some(shown(&sidecar).await).filter(|shown| shown[member] == count);
        eventually(&format!("{count} are {member}"), probe).await
    };
    send("one").await;
    counted("written", 1).await;

    fs::rename(&log, &moved).unwrap();
    send("two").await;
    counted("written", 2).await;
    assert_eq!((records_of(&moved), records_of(&log)), (1, 1));

    fs::remove_file(&log).unwrap();
    send("three").await;
    counted("written", 3).await;
    assert_eq!(records_of(&log), 1);

    fs::remove_dir_all(&logs).unwrap();
    send("four").await;
    let said = counted("failed", 1).await;
    let trouble = said["trouble"].as_str().unwrap();
    assert!(trouble.contains("d.jsonl: No such file or directory"), "{said}");
    assert_eq!(said["written"], 3, "{said}");

    fs::create_dir(&logs).unwrap();
    let mut nth = 0;
    let probe = async || {
        nth += 1;
        send(&format!("five {nth}")).await;
        Some(shown(&sidecar).await).filter(|shown| shown["written"].as_u64() > Some(3))
    };
    let said = eventually("the log is written again", probe).await;
    assert_eq!(said["trouble"], Value::Null, "{said}");
    assert!(records_of(&log) > 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_a_full_disk_throws_away_counts_as_failed_and_is_told_once() {
    let plivo = plivo().await;
    let setup = setup(&plivo, &["US"]).set("decisions.path", "/dev/full");
    let sidecar = Sidecar::start_in(Folder::new(), setup).await;
    let (mut sent, mut down_since) = (0, None);
    // Twice as long as the file is left alone: it is tried again.
    let probe = async || {
        sent += 1;
        sidecar.send(&json!({"to": TO, "text": format!("hello {sent}")})).await.expect(202);
        if shown(&sidecar).await["failed"].as_u64() > Some(0) {
            down_since.get_or_insert_with(Instant::now);
        }
        down_since.filter(|since| since.elapsed() > Duration::from_secs(2))
    };
    eventually("the file is tried again", probe).await;
    let probe = async || Some(shown(&sidecar).await).filter(|shown| shown["failed"] == sent);
    let said = eventually("each record is told as failed", probe).await;
    assert_eq!(said["written"], 0, "{said}");
    assert!(said["trouble"].as_str().unwrap().contains("No space left"), "{said}");
    let log = sidecar.stop().await;
    assert_eq!(log.text().matches("the decision log cannot be written").count(), 1);
    assert_eq!(log.text().matches("the decision log is written again").count(), 0);
}

#[tokio::test]
async fn more_decisions_than_are_written_are_dropped_and_counted_and_harm_no_message() {
    let plivo = plivo().await;
    let folder = Folder::new();
    // A pipe that nobody reads takes 64 KiB, and then keeps whoever writes.
    let made = Command::new("mkfifo").arg(folder.path().join("d.jsonl")).status().unwrap();
    assert!(made.success());
    let quick = setup(&plivo, &["US", "FR"]).set("decisions.queue", 4);
    let sidecar = Sidecar::start_in(folder, quick).await;
    let mut sent = 0;
    let probe = async || {
        sent += send_some(&sidecar, sent, 16).await;
        Some(shown(&sidecar).await).filter(|shown| shown["dropped"].as_u64() > Some(0))
    };
    let said = eventually("records are dropped", probe).await;
    assert_eq!(said["trouble"], Value::Null, "{said}");
    // It ends all the same.
    sidecar.stop().await;
}

#[tokio::test]
async fn one_of_so_many_is_recorded_where_that_is_asked_for_and_none_where_nothing_is() {
    let plivo = plivo().await;
    let sampled = setup(&plivo, &["US", "FR"]).set("decisions.sample", 3);
    let sidecar = Sidecar::start(sampled).await;
    send_some(&sidecar, 0, 9).await;
    let folder = sidecar.folder.clone();
    sidecar.stop().await;
    assert_eq!(records(folder.path()).len(), 3);

    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    assert_eq!(shown(&sidecar).await, Value::Null);
    sidecar.stop().await;
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
    assert_eq!(shown["remarks"][0], format!("./d.jsonl {remark}"), "{shown:#}");
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
    for part in ["sidecar.toml:", "store.colour", "there is no module at", "settings.verified.0"] {
        assert!(refused.err.contains(part), "no `{part}` in {}", refused.err);
    }
}

#[tokio::test]
async fn the_collector_gets_the_same_lines() {
    for (protocol, collector) in
        [("http", Collector::start_http()), ("grpc", Collector::start_grpc())]
    {
        let plivo = plivo().await;
        let both = setup(&plivo, &["US"])
            .set("decisions.otlp", true)
            .set("telemetry.otlp", collector.endpoint())
            .set("telemetry.protocol", protocol)
            .environment("OTEL_BSP_SCHEDULE_DELAY", "50");
        let sidecar = Sidecar::start(both).await;
        send_some(&sidecar, 0, 4).await;
        let records = collector.wait_for_records(|records| records.len() == 5).await;
        let folder = sidecar.folder.clone();
        assert_eq!(shown(&sidecar).await["collector_dropped"], 0);
        sidecar.stop().await;

        let text = fs::read_to_string(folder.path().join("d.jsonl")).unwrap();
        let bodies: Vec<&str> = records.iter().map(|record| record.body.as_str()).collect();
        assert_eq!(bodies, text.lines().collect::<Vec<_>>());
        let events: Vec<&str> = records.iter().map(|record| record.event.as_str()).collect();
        assert_eq!(events[..2], ["sendgate.policies", "sendgate.decision"]);
        let refused = &records[2].attributes;
        assert_eq!(refused["sendgate.code"], "country.not_allowed", "{refused:?}");
        assert_eq!(refused["sendgate.app"], "demo", "{refused:?}");
    }
}

#[tokio::test]
async fn a_collector_that_is_away_loses_records_and_holds_nothing_up() {
    let plivo = plivo().await;
    let alone = Setup::standard(&plivo)
        .set("decisions.otlp", true)
        .set("telemetry.otlp", "http://127.0.0.1:1")
        .environment("OTEL_BSP_SCHEDULE_DELAY", "50");
    let sidecar = Sidecar::start(alone).await;
    sidecar.send(&json!({"to": TO, "text": "hello"})).await.expect(202);
    let probe = async || {
        Some(shown(&sidecar).await).filter(|shown| shown["collector_dropped"].as_u64() > Some(0))
    };
    let said = eventually("lost records are counted", probe).await;
    assert_eq!((&said["dropped"], &said["trouble"]), (&json!(0), &Value::Null), "{said}");
    sidecar.stop().await;
}
