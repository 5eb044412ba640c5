//! What it says of the machine: sockets, and a disk that is full.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use serde_json::json;
use tokio::process::Command;

use super::{examined, free_port, told};
use crate::harness::{Folder, Setup, Sidecar, TO, plivo, run_to_end, run_to_end_by};

/// Runs the rest of the command line beside a disk that a database and its log have filled with what else is there. The
/// disk goes with the namespace.
const ON_A_FULL_DISK: &str = r#"
mount -t tmpfs -o size=1m disk full
cp sendgate.db sendgate.db-wal full/
head -c 2000000 /dev/zero >full/rest 2>/dev/null || exec "$@"
"#;

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

    for (name, seen, to_do) in [
        ("file", "/file is there already, and is no socket", "free it"),
        ("live", "/live is held by another process", "free it"),
        ("nowhere/socket", "/nowhere/socket could not be bound: No such file", "make its folder"),
        ("file/socket", "/file/socket could not be bound: Not a directory", "choose another"),
    ] {
        let ended = examined(&sockets(&["fresh", name]), &folder).await;
        assert_eq!(ended.status.code(), Some(1), "{name}: {}", ended.log.text());
        let told = told(&ended, "fail", "listeners");
        assert!(told.contains(seen) && told.contains(&format!("-> {to_do}")), "{told}");
    }
}

#[tokio::test]
async fn beside_a_sidecar_at_work_each_listener_is_looked_for() {
    let plivo = plivo().await;
    let (admin, held) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap());
    let setup = Setup::new(&plivo).set("listen.admin", admin.as_str());
    let with = |apps: &[String]| setup.clone().set("listen.apps", apps.to_vec());
    let (socket, port) = ("unix:apps.sock".to_owned(), free_port());
    let own = with(&[socket.clone(), port.clone()]);
    let sidecar = Sidecar::start_unready(Folder::new(), own.clone()).await;
    sidecar.wait_until_ready().await;

    let ended = run_to_end("doctor", &sidecar.folder, &own.environment).await;
    assert!(told(&ended, "ok", "listeners").contains(&admin), "{}", ended.log.text());

    std::fs::remove_file(sidecar.folder.path().join("apps.sock")).unwrap();
    let ended = run_to_end("doctor", &sidecar.folder, &own.environment).await;
    let gone = told(&ended, "fail", "listeners");
    assert!(gone.contains("nobody at ") && gone.contains("/apps.sock"), "{gone}");

    let held = held.local_addr().unwrap().to_string();
    sidecar.folder.write("sidecar.toml", with(&[port, held.clone()]).to_toml());
    let ended = run_to_end("doctor", &sidecar.folder, &own.environment).await;
    let taken = told(&ended, "fail", "listeners");
    assert!(taken.contains(&format!("{held} is held by another process")), "{taken}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_sidecar_that_waits_for_its_store_holds_its_own_listeners() {
    let (plivo, folder) = (plivo().await, Folder::new());
    let setup = Setup::new(&plivo)
        .durable()
        .set("listen.admin", free_port())
        .set("listen.apps", free_port());
    folder.write("sendgate.db", "this is no database, whatever its name says");
    let sidecar = Sidecar::start_unready(folder, setup.clone()).await;

    let ended = run_to_end("doctor", &sidecar.folder, &setup.environment).await;

    assert!(told(&ended, "fail", "store").contains("is not a database"), "{}", ended.log.text());
    let waits = told(&ended, "ok", "listeners");
    assert!(waits.contains("it waits for its store"), "{waits}");
    sidecar.kill().await;
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
