//! Start, reload and end as those see them who run it: probes, signals, the service manager.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use serde_json::json;
use tokio::net::UnixDatagram;
use tokio::time::timeout;

use crate::harness::{
    Connection, Folder, PATIENCE, Policy, Setup, Sidecar, TO, TOKEN, eventually, plivo, texts,
};
use crate::operators::durable;

/// A send over a connection that stays open.
fn kept_send(text: &str) -> String {
    let body = json!({"to": TO, "text": text}).to_string();
    format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn apps_that_are_connected_may_send_after_sigterm_until_they_have_gone() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).set("listen.linger_s", 20)).await;
    let mut app = Connection::open(sidecar.apps).await;
    app.send(kept_send("before")).await;
    assert!(app.answer().await.starts_with("HTTP/1.1 202"));

    sidecar.terminate();
    let told = async || (sidecar.ready().await.status == 503).then_some(());
    eventually("it tells others to choose another", told).await;
    let ready = sidecar.ready().await.expect(503);
    assert_eq!(ready["causes"][0]["cause"], "draining", "{ready}");
    app.send(kept_send("after")).await;
    assert!(app.answer().await.starts_with("HTTP/1.1 202"));
    app.finish().await;
    drop(app);

    let log = sidecar.ended_well().await;
    assert_eq!(texts(&plivo), ["before", "after"]);
    assert!(log.text().contains("drained; nothing was left"), "{}", log.text());
}

#[tokio::test]
async fn an_app_that_keeps_no_connection_may_send_right_after_sigterm_too() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).set("listen.linger_s", 20)).await;

    sidecar.terminate();
    let told = async || sidecar.log.text().contains("may still send").then_some(());
    eventually("it was asked to end", told).await;
    let mut app = Connection::open(sidecar.apps).await;
    app.send(kept_send("after")).await;
    assert!(app.answer().await.starts_with("HTTP/1.1 202"));
    drop(app);

    sidecar.ended_well().await;
    assert_eq!(texts(&plivo), ["after"]);
}

#[tokio::test]
async fn a_second_signal_ends_the_wait_for_apps_and_so_does_its_time() {
    let plivo = plivo().await;
    for (linger, again) in [(3_600, true), (1, false)] {
        let setup = Setup::new(&plivo).set("listen.linger_s", linger);
        let sidecar = Sidecar::start(setup.set("listen.drain_s", 3_600)).await;
        let mut app = Connection::open(sidecar.apps).await;
        app.send(kept_send("hi")).await;
        assert!(app.answer().await.starts_with("HTTP/1.1 202"));

        sidecar.terminate();
        let told = async || sidecar.log.text().contains("may still send").then_some(());
        eventually("it waits", told).await;
        if again {
            sidecar.terminate();
        }
        // Nobody closes the connection.
        sidecar.ended_well().await;
        drop(app);
    }
}

#[tokio::test]
async fn the_interrupt_of_a_terminal_waits_for_no_app() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).set("listen.linger_s", 3_600).set("listen.drain_s", 3_600);
    let sidecar = Sidecar::start(setup).await;
    let mut app = Connection::open(sidecar.apps).await;
    app.send(kept_send("hi")).await;
    assert!(app.answer().await.starts_with("HTTP/1.1 202"));

    sidecar.signal("INT");

    sidecar.ended_well().await;
    drop(app);
}

/// What the service manager hears next, but for signs of life.
async fn told(manager: &UnixDatagram) -> String {
    loop {
        let mut bytes = [0; 512];
        let heard = timeout(PATIENCE, manager.recv(&mut bytes)).await;
        let length = heard.expect("the service manager hears something").unwrap();
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if text != "WATCHDOG=1\n" {
            return text;
        }
    }
}

#[tokio::test]
async fn the_service_manager_is_told_of_start_reload_and_end_and_that_it_lives() {
    let plivo = plivo().await;
    let folder = Folder::new();
    let socket = folder.path().join("notify.sock");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let mut setup = durable(&plivo);
    setup.environment.push(("NOTIFY_SOCKET".into(), socket.to_string_lossy().into_owned()));
    setup.environment.push(("WATCHDOG_USEC".into(), "100000".into()));
    let sidecar = Sidecar::start_in(folder, setup.clone()).await;
    assert!(told(&manager).await.starts_with("READY=1\n"));
    let mut bytes = [0; 512];
    let length = timeout(PATIENCE, manager.recv(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(&bytes[..length], b"WATCHDOG=1\n");

    sidecar.signal("HUP");
    let reloading = told(&manager).await;
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(told(&manager).await, "READY=1\nSTATUS=sends are taken\n");
    let said = async || sidecar.log.text().contains("nothing has changed").then_some(());
    eventually("the log says that nothing has changed", said).await;

    sidecar.folder.write("sidecar.toml", setup.clone().set("listen.drain_s", 9).to_toml());
    let refused = told(&manager).await;
    assert!(refused.contains("the last reload was refused: sidecar.toml:"), "{refused}");
    assert!(refused.contains("listen.drain_s: is fixed until a restart"), "{refused}");
    // Asked for, it ends with what came of it.
    sidecar.signal("HUP");
    assert!(told(&manager).await.starts_with("RELOADING=1\n"));
    let ended = told(&manager).await;
    assert!(
        ended.starts_with("READY=1\nSTATUS=sends are taken; the last reload was refused"),
        "{ended}"
    );
    sidecar.folder.write("sidecar.toml", setup.set("plivo.attempts", 9).to_toml());
    assert_eq!(told(&manager).await, "STATUS=sends are taken\n");
    let database = sidecar.folder.path().join("sendgate.db");
    std::fs::rename(&database, database.with_extension("away")).unwrap();
    let away = told(&manager).await;
    assert!(away.starts_with("STATUS=not ready: ") && away.contains("sendgate.db"), "{away}");
    std::fs::rename(database.with_extension("away"), &database).unwrap();
    assert_eq!(told(&manager).await, "STATUS=sends are taken\n");

    sidecar.terminate();
    assert!(told(&manager).await.starts_with("STOPPING=1\n"));
    sidecar.ended_well().await;
}

#[tokio::test]
async fn why_a_reload_was_refused_is_told_to_everybody_without_numbers() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo);
    let sidecar = Sidecar::start(setup.clone()).await;
    let prices = json!({"budgets": [], "prices": {"+14155550123": 1}});
    let wrong = setup.clone().policy(Policy::new("budget").settings(prices));
    sidecar.folder.write("sidecar.toml", wrong.to_toml());
    let refused = async || {
        let ready = sidecar.ready().await.expect(200);
        ready["reload_refused"][0].as_str().map(str::to_owned)
    };

    let why = eventually("the reload is refused", refused).await;

    assert!(why.contains("prices.+1415•••0123: is no region"), "{why}");

    let prices = json!({"budgets": [], "prices": {"415-555-7788": 1}});
    let wrong = setup.policy(Policy::new("budget").settings(prices));
    sidecar.folder.write("sidecar.toml", wrong.to_toml());
    let grouped = async || refused().await.filter(|why| why.contains("prices.415•: is no region"));
    eventually("it is refused for a number that is grouped", grouped).await;
    let policies = sidecar.admin("/policies").await.expect(200).to_string();
    assert!(policies.contains("prices.415•") && !policies.contains("555-7788"), "{policies}");
    let log = sidecar.stop().await;
    assert!(!log.text().contains("555-7788"), "{}", log.text());
}

#[tokio::test]
async fn a_hangup_tries_again_what_was_refused() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo);
    let sidecar = Sidecar::start(setup.clone()).await;
    sidecar.folder.write("sidecar.toml", setup.set("plivo.no_such_key", 1).to_toml());
    let refused = async || {
        let ready = sidecar.ready().await.expect(200);
        (!ready["reload_refused"].is_null()).then_some(())
    };
    eventually("the reload is refused", refused).await;
    let times = || sidecar.log.text().matches("reload refused").count();
    let before = times();

    sidecar.signal("HUP");

    let again = async || (times() > before).then_some(());
    eventually("it is tried again", again).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn sockets_that_the_service_manager_holds_are_listened_on_and_keep_who_came_before() {
    let plivo = plivo().await;
    let folder = Folder::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut early = Connection::open(address).await;
    early.send(kept_send("early")).await;

    let setup = Setup::new(&plivo).set("listen.apps", address.to_string());
    let sidecar = Sidecar::start_with_socket(setup, OwnedFd::from(listener)).await;
    assert_eq!(sidecar.apps, address);
    let answer = early.answer().await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(texts(&plivo), ["early"]);
    sidecar.stop().await;

    // A socket's file belongs to whoever made it.
    let path = folder.path().join("apps.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let apps = json!(["127.0.0.1:0", format!("unix:{}", path.display())]);
    let setup = Setup::new(&plivo).set("listen.apps", apps);
    let sidecar = Sidecar::start_with_socket(setup, OwnedFd::from(listener)).await;
    sidecar.stop().await;
    assert!(path.exists(), "the service manager's file was taken away");

    // One that nobody asks for is told.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let sidecar = Sidecar::start_with_socket(Setup::new(&plivo), OwnedFd::from(listener)).await;
    let log = sidecar.stop().await;
    assert!(log.text().contains("no listener of [listen] has this address"), "{}", log.text());
}

#[tokio::test]
async fn with_as_much_memory_as_it_may_have_it_takes_no_send_and_says_so() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).set("listen.max_memory_mb", 1);
    let sidecar = Sidecar::start_unready(Folder::new(), setup).await;

    let answer = sidecar.send(&json!({"to": TO, "text": "hi"})).await;

    answer.refused(503, "spool.low_memory");
    assert!(answer.header("retry-after").is_some(), "{answer}");
    let ready = sidecar.ready().await.expect(503);
    assert_eq!(ready["causes"][0]["cause"], "memory", "{ready}");
    sidecar.get("/v1/messages").await.expect(200);
    assert!(texts(&plivo).is_empty());
    sidecar.stop().await;
}

#[tokio::test]
async fn with_as_much_memory_as_it_may_have_what_was_answered_before_is_answered_again() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).durable();
    let sidecar = Sidecar::start(setup.clone()).await;
    let keyed = async |sidecar: &Sidecar, key: &str| {
        sidecar.post("/v1/messages").key(key).json(&json!({"to": TO, "text": "hi"})).answer().await
    };
    let first = keyed(&sidecar, "k1").await;
    first.expect(202);
    let folder = Arc::clone(&sidecar.folder);
    sidecar.stop().await;

    let sidecar = Sidecar::start_unready(folder, setup.set("listen.max_memory_mb", 1)).await;

    let again = keyed(&sidecar, "k1").await;
    assert_eq!((again.status, &again.text), (202, &first.text));
    keyed(&sidecar, "k2").await.refused(503, "spool.low_memory");
    assert_eq!(texts(&plivo), ["hi"]);
    sidecar.stop().await;
}
