//! `sendgate doctor`: what it sees, what it advises, and that it harms nothing.

mod machine;
mod redis;
mod secrets;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use plivo_sim::{PlivoSim, SimConfig, Step};
use serde_json::{Value, json};
use telemetry::collector::Collector;

use crate::harness::{
    Connection, Ended, Folder, Redis, Setup, Sidecar, TO, TOKEN, eventually, plivo, run_to_end,
};
use crate::tools::sendgate;

/// The line about `check` that begins with `verdict`, and the one after it.
fn told(ended: &Ended, verdict: &str, check: &str) -> String {
    let lines = ended.log.lines();
    let fits = |line: &String| line.starts_with(&format!("{verdict:<8} {check:<16} "));
    let at = lines.iter().position(fits);
    let at = at.unwrap_or_else(|| panic!("no {verdict} of {check} in\n{}", ended.log.text()));
    lines[at..].iter().take(2).map(String::as_str).collect::<Vec<_>>().join("\n")
}

async fn examined(setup: &Setup, folder: &Folder) -> Ended {
    folder.write("sidecar.toml", setup.to_toml());
    permit(folder, "sidecar.toml", 0o640);
    run_to_end("doctor", folder, &setup.environment).await
}

fn permit(folder: &Folder, name: &str, mode: u32) {
    let path = folder.path().join(name);
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
}

/// An address that nobody has yet. Not among the ports that the system hands out by itself: until it is bound, a
/// connection of another test could get it.
fn free_port() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        // Tests run in processes of their own, with numbers one after another.
        let own = u16::try_from(process::id() % 1_000).expect("below 1,000") * 20;
        let port = 10_000 + own + NEXT.fetch_add(1, Ordering::Relaxed) % 20;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener.local_addr().expect("its address").to_string();
        }
    }
}

#[tokio::test]
async fn a_running_sidecar_is_well_and_goes_on_as_before() {
    let (plivo, redis, collector) =
        (plivo().await, Redis::start_with(&["--appendonly", "yes"]), Collector::start_http());
    let setup = Setup::standard(&plivo)
        .durable()
        .set("listen.admin", free_port())
        // The sidecar itself asks Plivo of nothing meanwhile.
        .set("delivery.poll_s", json!([3600]))
        .set("telemetry.otlp", collector.endpoint())
        .set("store.hash_key", "a-key-that-is-long-enough-for-hashes")
        .set("store.shared", redis.url());
    let sidecar = Sidecar::start(setup.clone()).await;
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    permit(&sidecar.folder, "sidecar.toml", 0o640);

    let ended = run_to_end("doctor", &sidecar.folder, &setup.environment).await;

    let text = ended.log.text();
    assert_eq!(ended.status.code(), Some(0), "{text}");
    for check in [
        "configuration",
        "secrets",
        "policies",
        "plivo",
        "credentials",
        "sender",
        "clock",
        "redis",
        "collector",
    ] {
        told(&ended, "ok", check);
    }
    for (check, part) in
        [("store", "in use"), ("store", "0 in doubt"), ("listeners", "a sidecar runs")]
    {
        assert!(told(&ended, "ok", check).contains(part), "no {part} in\n{text}");
    }
    assert!(!text.contains(TOKEN) && !text.contains("long-enough"), "{text}");
    let gets = plivo.requests().into_iter().filter(|seen| seen.method == "GET").count();
    assert_eq!((plivo.sends().len(), gets), (1, 2), "Plivo was asked twice, and nothing was sent");
    sidecar.send(&json!({"to": TO, "text": "still here"})).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn beside_a_sidecar_that_is_not_ready_it_says_why() {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo).set("listen.admin", free_port());
    let sidecar = Sidecar::start(setup.clone()).await;
    plivo.script([Step::status(401)]).await;
    sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    let latched = async || (sidecar.ready().await.status == 503).then_some(());
    eventually("the credentials are refused", latched).await;

    // Plivo takes the same ones again.
    let ended = run_to_end("doctor", &sidecar.folder, &setup.environment).await;

    assert_eq!(ended.status.code(), Some(1), "{}", ended.log.text());
    told(&ended, "ok", "credentials");
    let why = told(&ended, "fail", "readiness");
    assert!(why.contains("refused the credentials") && why.contains("SIGHUP"), "{why}");
    sidecar.stop().await;
}

#[tokio::test]
async fn each_trouble_is_told_with_what_to_do_about_it_and_without_secrets() {
    let plivo =
        PlivoSim::start(SimConfig { auth_token: "another".into(), ..SimConfig::default() }).await;
    let redis = Redis::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let (held, gone) = (TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), free_port());
    let held_at = held.local_addr().unwrap().to_string();
    let ill = Setup::new(&plivo)
        .durable()
        .set("plivo.auth_token", "hidden-of-plivos")
        .set("listen.apps", held_at.as_str())
        .set("telemetry.otlp", format!("http://{gone}"))
        .set("store.hash_key", "hidden-key-that-is-long-enough-for-hashes")
        .set("store.shared", redis.url());
    let folder = Folder::new();
    folder.write("sendgate.db", "this is no database, whatever its name says");
    let ended = examined(&ill, &folder).await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log.text());
    for (verdict, check, seen, to_do) in [
        ("warn", "policies", "every message is sent", "[[policies]]"),
        ("fail", "credentials", "(401)", "PLIVO_AUTH_TOKEN"),
        ("ok", "clock", "within a minute", ""),
        ("fail", "store", "sendgate.db is not a database", "put a copy"),
        ("fail", "listeners", held_at.as_str(), "choose another"),
        ("fail", "listeners", held_at.as_str(), "give [listen] admin a port"),
        ("fail", "redis", "`allkeys-lru`", "noeviction"),
        ("warn", "collector", "Connection refused", "messages go on"),
    ] {
        let told = told(&ended, verdict, check);
        assert!(told.contains(seen) && told.contains(to_do), "{seen}, {to_do} not in\n{told}");
    }
    assert!(!ended.log.text().contains("hidden-"), "{}", ended.log.text());

    let away = Setup::with_base_url(&format!("http://{gone}"))
        .durable()
        .set("store.hash_key", "a-key-that-is-long-enough-for-hashes")
        .set("store.shared", format!("redis://:hidden-word@{gone}"));
    let folder = Folder::new();
    let other = rusqlite::Connection::open(folder.path().join("sendgate.db")).unwrap();
    other
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE",
        )
        .unwrap();
    let ended = examined(&away, &folder).await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log.text());
    for (verdict, check, seen, to_do) in [
        ("fail", "plivo", "connection_refused", "base_url"),
        ("skipped", "credentials", "could not be asked", ""),
        ("fail", "store", "locked", "what has it locked"),
        ("ok", "listeners", "free", ""),
        ("fail", "redis", "refused", "start it"),
    ] {
        let told = told(&ended, verdict, check);
        assert!(told.contains(seen) && told.contains(to_do), "{seen}, {to_do} not in\n{told}");
    }
    assert!(!ended.log.text().contains("hidden-word"), "{}", ended.log.text());

    let ended = examined(&away.set("plivo.attempts", "many"), &folder).await;
    let text = ended.log.text();
    assert!(ended.status.code() == Some(2) && text.contains("plivo.attempts"), "{text}");
}

#[tokio::test]
async fn the_collectors_of_traces_metrics_and_records_are_each_looked_for() {
    let (plivo, collector, gone) = (plivo().await, Collector::start_http(), free_port());
    let dead = format!("http://{gone}/v1/metrics");
    let setup = Setup::standard(&plivo)
        .set("telemetry.otlp", collector.endpoint())
        .set("decisions.otlp", true)
        .environment("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &dead);
    let folder = Folder::new();

    let ended = examined(&setup, &folder).await;

    let dead = format!("metrics: {dead}");
    assert!(told(&ended, "warn", "collector").contains(&dead), "{}", ended.log.text());
    for (signal, path) in [("traces", "/v1/traces"), ("log records", "/v1/logs")] {
        let answers = format!("{signal}: {}{path} answers", collector.endpoint());
        assert!(ended.log.text().contains(&answers), "{answers} in {}", ended.log.text());
    }

    let no_traces = setup.environment("OTEL_TRACES_EXPORTER", "none");
    let ended = examined(&no_traces, &folder).await;
    assert!(told(&ended, "warn", "collector").contains(&dead), "{}", ended.log.text());
    assert!(told(&ended, "skipped", "collector").contains("traces go nowhere"));
}

#[tokio::test]
async fn faults_of_the_configuration_are_told_as_json_too_where_it_is_asked_for() {
    let plivo = plivo().await;
    let folder = Folder::new();
    folder.write("sidecar.toml", Setup::new(&plivo).set("plivo.attempts", "many").to_toml());

    let said = sendgate(folder.path(), &["doctor", "--json"]).await;

    assert!(said.code == Some(2) && said.err.contains("plivo.attempts"), "{}", said.err);
    let told: Value = serde_json::from_str(&said.out).expect("one JSON object");
    assert_eq!((&told["well"], told["checks"].as_array().map(Vec::len)), (&json!(false), Some(1)));
    let check = &told["checks"][0];
    assert_eq!((&check["check"], &check["verdict"]), (&json!("configuration"), &json!("fail")));
    assert!(check["seen"].as_str().is_some_and(|seen| seen.contains("plivo.attempts")), "{told}");
}

#[tokio::test]
async fn each_account_is_asked_for() {
    let plivo = plivo().await;
    let europe =
        json!({"auth_id": "MAYYYYYYYYYYYYYYYYYY", "auth_token": "secret-word", "sender": "12345"});
    let setup = Setup::new(&plivo).set("plivo.accounts", json!({"europe": europe}));

    let ended = examined(&setup, &Folder::new()).await;

    let text = ended.log.text();
    assert!(told(&ended, "ok", "credentials").contains("Plivo knows the account"), "{text}");
    let europe = told(&ended, "fail", "credentials");
    assert!(
        europe.contains("account `europe`: Plivo refuses auth_id and auth_token (401)"),
        "{text}"
    );
    assert!(europe.contains("mend [plivo.accounts.europe] auth_id and auth_token"), "{text}");
    assert!(!text.contains("secret-word"), "{text}");
}

#[tokio::test]
async fn a_sidecar_whose_connections_are_all_busy_is_itself_and_told_so() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let (apps, admin) = (free_port(), free_port());
    let setup = Setup::standard(&plivo).set("listen.apps", &*apps).set("listen.admin", &*admin);
    let setup = setup.set("listen.max_connections", 1).set("listen.body_timeout_ms", 120_000);
    let sidecar = Sidecar::start(setup.clone()).await;
    let mut busy = Connection::open(sidecar.apps).await;
    let begun = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    );
    busy.send(begun).await;
    let told_so = async || {
        let ended = examined(&setup, &folder).await;
        let text = ended.log.text();
        text.contains("turns requests away at").then_some(ended)
    };
    let ended = eventually("doctor finds no connection free", told_so).await;
    drop(busy);
    let listeners = told(&ended, "warn", "listeners");
    assert!(listeners.contains(&apps) && listeners.contains("max_connections"), "{listeners}");
    sidecar.stop().await;
}

#[tokio::test]
async fn nothing_that_was_compiled_is_kept() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let setup = Setup::standard(&plivo).set("listen.admin", free_port());
    let ended = examined(&setup.set("reload.compile_cache", "compiled"), &folder).await;
    told(&ended, "ok", "policies");
    assert!(!folder.path().join("compiled").exists(), "its owner would be whoever asks the doctor");
}
