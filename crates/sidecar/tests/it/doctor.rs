//! `sendgate doctor`: what it sees, what it advises, and that it harms nothing.

mod redis;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use plivo_sim::{PlivoSim, SimConfig};
use serde_json::{Value, json};
use telemetry::collector::Collector;
use tokio::process::Command;

use crate::harness::{
    App, Ended, Folder, Policy, Redis, Setup, Sidecar, TO, TOKEN, plivo, run_to_end, run_to_end_by,
};
use crate::tools::sendgate;

/// Runs the rest of the command line beside a disk that a database and its log have filled with what else is there. The
/// disk goes with the namespace.
const ON_A_FULL_DISK: &str = r#"
mount -t tmpfs -o size=1m disk full
cp sendgate.db sendgate.db-wal full/
head -c 2000000 /dev/zero >full/rest 2>/dev/null || exec "$@"
"#;

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

fn free_port() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").to_string()
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
async fn unix_sockets_are_free_where_a_start_could_bind_them() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let at = |name: &str| folder.path().join(name);
    folder.write("file", "somebody's");
    let _live = UnixListener::bind(at("live")).expect("a socket");
    drop(UnixListener::bind(at("stale")).expect("a socket"));
    let sockets = |names: &[&str]| -> Setup {
        let apps: Vec<String> = names.iter().map(|name| format!("unix:{name}")).collect();
        Setup::new(&plivo).set("listen.apps", apps)
    };

    let ended = examined(&sockets(&["stale", "fresh"]), &folder).await;
    assert!(told(&ended, "ok", "listeners").contains("/fresh"), "{}", ended.log.text());
    assert!(at("stale").exists() && !at("fresh").exists(), "it makes and removes nothing");

    for (name, seen) in [
        ("file", "/file is there already, and is no socket"),
        ("live", "/live is held by another process"),
        ("nowhere/socket", "/nowhere/socket could not be bound: No such file"),
        ("file/socket", "/file/socket could not be bound: Not a directory"),
    ] {
        let ended = examined(&sockets(&["fresh", name]), &folder).await;
        assert_eq!(ended.status.code(), Some(1), "{name}: {}", ended.log.text());
        let told = told(&ended, "fail", "listeners");
        assert!(told.contains(seen) && told.contains("-> free it"), "{told}");
    }
}

#[tokio::test]
async fn each_file_of_secrets_that_everybody_may_read_is_named() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let has_registries = cfg!(feature = "oci");
    let credentials = json!({"a.example": {"user": "u", "password": {"file": "password"}}});
    let app = App::new("relayed", "")
        .set("token", json!({"env": "DOTENV_TOKEN"}))
        .set("relay_url", "https://a.example/events")
        .set("relay_secret", json!([{"file": "relay"}, {"file": "closed"}]));
    let mut setup = Setup::new(&plivo).app(app);
    if has_registries {
        setup = setup.set("registry.credentials", credentials);
    }
    for (name, mode) in [("password", 0o644), ("relay", 0o604), ("closed", 0o640), (".env", 0o644)]
    {
        let secret =
            if name == ".env" { "DOTENV_TOKEN=hidden-of-dotenv" } else { "hidden-in-a-file" };
        folder.write(name, format!("{secret}-{name}\n"));
        permit(&folder, name, mode);
    }

    let ended = examined(&setup, &folder).await;

    let text = ended.log.text();
    let warned: Vec<String> = ended.log.lines();
    let warned: Vec<&str> = warned
        .iter()
        .filter_map(|line| {
            line.strip_prefix("warn     secrets          every user of this machine may read ")
        })
        .filter_map(|path| path.rsplit('/').next())
        .collect();
    let open = [".env", "password", "relay"].into_iter();
    let open: Vec<&str> = open.filter(|name| has_registries || *name != "password").collect();
    assert_eq!(warned, open, "{text}");
    assert!(!text.contains("hidden-"), "{text}");
}

#[tokio::test]
async fn a_configuration_that_everybody_may_read_is_named_with_the_keys_of_the_secrets_in_it() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let elsewhere = App::new("other", "").set("token", json!({"env": "OTHER_TOKEN"}));
    let settings = json!({"window_s": 30, "salt": "hidden-salt"});
    let setup = Setup::new(&plivo)
        .app(elsewhere)
        .environment("OTHER_TOKEN", "hidden-token")
        .set("store.hash_key", "hidden-key-that-is-long-enough-for-hashes")
        .policy(Policy::new("dedup").settings(settings));
    folder.write("sidecar.toml", setup.to_toml());

    permit(&folder, "sidecar.toml", 0o604);
    let ended = run_to_end("doctor", &folder, &setup.environment).await;
    let warned = told(&ended, "warn", "secrets");
    let keys = "sidecar.toml, with the secrets in it: plivo.auth_token, apps[0].token, store.hash_key, \
                policies.dedup.settings.salt\n";
    assert!(warned.contains(keys) && warned.contains("chmod o-r"), "{warned}");
    assert!(!ended.log.text().contains("hidden-"), "{}", ended.log.text());

    let ended = examined(&setup, &folder).await;
    assert!(told(&ended, "ok", "secrets").contains("files that hold some: 1"));
}

#[tokio::test]
async fn a_full_disk_is_told_as_such_and_nobody_is_told_to_replace_the_database_on_it() {
    let apart = || {
        let mut program = Command::new("unshare");
        program.args(["--map-root-user", "--mount"]);
        program
    };
    let folder = Folder::new();
    let trial = apart().args(["mount", "-t", "tmpfs", "trial"]).arg(folder.path()).output().await;
    let trial = trial.expect("unshare");
    if !trial.status.success() {
        let why = String::from_utf8_lossy(&trial.stderr);
        eprintln!("skipped: mounts in a namespace of one's own are not permitted here: {why}");
        return;
    }
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).durable();
    let sidecar = Sidecar::start_in(folder, setup.clone()).await;
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    // As an outage leaves it: what is in its log is not in the database yet.
    let folder = sidecar.kill().await;
    fs::create_dir(folder.path().join("full")).expect("a folder");
    let setup = setup.set("store.path", "full/sendgate.db");
    folder.write("sidecar.toml", setup.to_toml());

    let mut program = apart();
    program.args(["sh", "-ec", ON_A_FULL_DISK, "sh"]);
    let ended = run_to_end_by(program, "doctor", &folder, &setup.environment).await;

    let text = ended.log.text();
    assert_eq!(ended.status.code(), Some(1), "{text}");
    let disk = told(&ended, "fail", "disk");
    assert!(disk.contains("nothing of") && disk.contains("-> free some of it"), "{disk}");
    let store = told(&ended, "fail", "store");
    assert!(store.contains("I/O error") && store.contains("-> free some of the disk"), "{store}");
    assert!(!store.contains("put a copy"), "{store}");
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
async fn what_the_user_of_the_redis_may_not_fails_where_it_is_needed_and_warns_where_it_tells_of_the_server()
 {
    let (plivo, redis) = (plivo().await, Redis::start());
    for (rules, verdict, seen, to_do) in [
        ("+@all -@dangerous", "warn", "may not ask INFO", "+info"),
        ("+@all -@scripting", "fail", "it answered NOPERM to SCRIPT LOAD", "ACL SETUSER"),
        ("+@all -xinfo", "fail", "it answered NOPERM to XINFO", "ACL SETUSER"),
    ] {
        redis.ask(&format!("ACL SETUSER limited reset on >word ~sendgate:* {rules}"));
        let setup = Setup::new(&plivo)
            .durable()
            .set("store.hash_key", "a-key-that-is-long-enough-for-hashes")
            .set("store.shared", format!("redis://limited:word@127.0.0.1:{}", redis.port));
        let ended = examined(&setup, &Folder::new()).await;
        let told = told(&ended, verdict, "redis");
        assert!(told.contains(seen) && told.contains(to_do), "{seen}, {to_do} not in\n{told}");
        let code = if verdict == "fail" { 1 } else { 0 };
        assert_eq!(ended.status.code(), Some(code), "{}", ended.log.text());
    }
}

#[tokio::test]
async fn nothing_that_was_compiled_is_kept() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let setup = Setup::standard(&plivo).set("listen.admin", free_port());
    let ended = examined(&setup.set("reload.compile_cache", "compiled"), &folder).await;
    told(&ended, "ok", "policies");
    assert!(!folder.path().join("compiled").exists(), "its owner would be whoever asks the doctor");
}
