//! The dashboard: what it is told, and that nobody waits for who watches.

mod again;
mod browser;

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

use plivo_sim::PlivoSim;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use crate::harness::{
    App, Connection, PATIENCE, Policy, Setup, Sidecar, TO, TOKEN, eventually, exchange, plivo,
};
use crate::reload::{applied, refusal};

const OPERATOR: &str = "token-of-the-operator";
const WATCH: &str = "GET /dashboard/events HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn setup(plivo: &PlivoSim) -> Setup {
    let limits = json!([{"name": "app", "scope": "app", "quota": 10, "per_s": 3_600}]);
    let throttle = Policy::new("throttle").settings(json!({"limits": limits}));
    Setup::standard(plivo).policy(throttle).set("listen.admin_token", OPERATOR)
}

/// Somebody who watches, and reads.
struct Watcher(Connection);

impl Watcher {
    async fn of(sidecar: &Sidecar) -> Self {
        Self::asking(sidecar, WATCH).await
    }

    async fn asking(sidecar: &Sidecar, request: &str) -> Self {
        let mut connection = Connection::open(sidecar.admin).await;
        connection.send(request).await;
        let head = connection.until("\r\n\r\n").await.to_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        Self(connection)
    }

    /// The data of the next event called `name`.
    async fn next(&mut self, name: &str) -> Value {
        loop {
            let event = self.0.until("\n\n").await;
            let data = event.split_once(&format!("event: {name}\n")).map(|(_, rest)| rest);
            // What stands around it are the sizes of chunks.
            if let Some(data) = data.and_then(|rest| rest.split_once("data: ")) {
                let data = data.1.trim_end();
                return serde_json::from_str(data).unwrap_or_else(|err| panic!("{err}: {event}"));
            }
        }
    }

    /// The next decisions, with at least one among them.
    async fn decisions(&mut self) -> Vec<Value> {
        self.next("decisions").await["decisions"].as_array().unwrap().clone()
    }

    /// The state as soon as `wanted` holds of it.
    async fn state(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let state = self.next("state").await;
            if wanted(&state) {
                return state;
            }
        }
    }
}

/// Holds what was told in a stream, or of a limit, to its schema: it has all the members there, and no other.
fn fits(schema: &Value, told: &Value) {
    let members: BTreeSet<_> = told.as_object().expect("an object").keys().collect();
    let properties = schema["properties"].as_object().expect("properties").keys();
    assert_eq!(members, properties.collect(), "{told}");
}

async fn state(sidecar: &Sidecar) -> Value {
    sidecar.admin("/dashboard/state").await.expect(200)
}

#[tokio::test]
async fn who_watches_is_told_each_decision_with_its_verdicts_and_what_is_left_of_limits() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo)).await;
    let mut watcher = Watcher::of(&sidecar).await;

    let sent = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    let passed = watcher.decisions().await.remove(0);
    sidecar.send(&json!({"to": "+5351234567", "text": "hi"})).await.expect(403);
    let refused = watcher.decisions().await.remove(0);

    assert_eq!((&passed["id"], &passed["end"]), (&sent["id"], &json!("cleared")), "{passed}");
    assert_eq!((&passed["app"], &passed["to"]), (&json!("demo"), &json!("+1415•••0123")));
    let names: Vec<_> = passed["policies"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 3, "{passed}");
    assert!(names.iter().all(|each| each["us"].as_u64().is_some_and(|us| us > 0)), "{passed}");
    assert_eq!((&refused["end"], &refused["policy"]), (&json!("refused"), &json!("country")));
    assert_eq!(refused["code"], "country.hard_denied", "{refused}");
    let schemas = sidecar.admin("/openapi.json").await.expect(200)["components"]["schemas"].clone();
    let decision = &schemas["DashboardDecisions"]["properties"]["decisions"]["items"];
    for told in [&passed, &refused] {
        fits(decision, told);
        fits(&decision["properties"]["policies"]["items"], &told["policies"][0]);
    }

    let state = watcher.state(|state| state["decisions"]["total"] == 2).await;
    assert_eq!(state["decisions"]["recent_stopped"], 1, "{state}");
    assert_eq!(
        (&state["mix"]["country"]["accept"], &state["mix"]["country"]["reject"]),
        (&json!(1), &json!(1))
    );
    assert!(state["mix"]["throttle"]["p50_us"].as_u64().is_some_and(|us| us > 0), "{state}");
    let limit = &state["limits"][0];
    fits(&schemas["DashboardState"]["properties"]["limits"]["items"], limit);
    assert_eq!((&limit["limit"], &limit["app"]), (&json!("app"), &json!("demo")), "{state}");
    assert_eq!((&limit["most"], &limit["left"]), (&json!(10), &json!(9)), "{limit}");
    assert_eq!(state["messages"]["messages"][0]["id"], sent["id"], "{state}");
    assert_eq!(state["operable"], true);
    sidecar.stop().await;
}

#[tokio::test]
async fn changes_are_told_with_their_reasons_the_latest_first() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo)).await;
    let write = |setup: &Setup| sidecar.folder.write("sidecar.toml", setup.to_toml());

    write(&setup(&plivo).policy(Policy::new("dedup")));
    applied(&sidecar, 1).await;
    write(&setup(&plivo).set("delivery.colour", "red"));
    refusal(&sidecar, "delivery.colour").await;
    sidecar.operate("/rollback", OPERATOR).await.expect(200);

    let history = sidecar.admin("/policies").await.expect(200)["reload"]["history"].clone();
    let told: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|each| (each["change"].as_str().unwrap(), each["generation"].as_u64().unwrap()))
        .collect();
    assert_eq!(told, [("rolled_back", 3), ("refused", 2), ("reloaded", 2), ("started", 1)]);
    let reason = |nth: usize| history[nth]["reasons"][0].as_str().unwrap();
    assert!(reason(0).contains("generation 1"), "{history:#}");
    assert!(reason(1).contains("delivery.colour"), "{history:#}");
    assert!(reason(2).starts_with("dedup: added, "), "{history:#}");
    assert_eq!(state(&sidecar).await["policies"]["reload"]["history"], history);
    sidecar.stop().await;
}

#[tokio::test]
async fn no_number_text_tag_or_credential_is_told_to_who_watches() {
    let plivo = plivo().await;
    let app = App::new("demo", TOKEN);
    let sidecar = Sidecar::start(setup(&plivo).app(app).policy(Policy::new("dedup"))).await;
    let mut connection = Connection::open(sidecar.admin).await;
    connection.send(WATCH).await;
    for text in ["attack at dawn", "attack at dusk +14155550177"] {
        let tags = json!({"a": "tag-value-88"});
        let message = json!({"to": TO, "text": text, "tags": tags});
        let request = sidecar.post("/v1/messages").key(&format!("order-key-77-{}", text.len()));
        request.json(&message).answer().await.expect(202);
        sidecar.send(&message).await.refused(409, "dup.content");
    }
    sidecar.send(&json!({"to": "+5351234567", "text": "attack"})).await.expect(403);
    let told = async || {
        let state = state(&sidecar).await;
        (state["decisions"]["total"] == 5).then(|| state.to_string())
    };
    let state = eventually("all are decided", told).await;
    let ids: Vec<String> =
        state.split("\"id\":\"").skip(1).map(|rest| rest[..36].to_owned()).collect();
    let mut shown = state;
    for id in &ids {
        shown += &sidecar.admin(&format!("/messages/{id}")).await.text;
    }
    // The drain ends the stream, well.
    sidecar.terminate();
    shown += &connection.rest().await;
    assert!(shown.contains("event: decisions") && shown.contains("+1415•••0123"), "{shown}");
    for secret in [
        "4155550123",
        "4155550177",
        "51234567",
        "4155551212",
        "attack",
        "tag-value-88",
        "order-key-77",
        OPERATOR,
        TOKEN,
        "MAXXXXXXXXXXXXXXXXXX",
    ] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
    sidecar.ended_well().await;
}

#[tokio::test]
async fn the_page_may_be_linked_to_and_neither_framed_nor_fed_from_elsewhere() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo)).await;
    let ask = async |path: &str, header: &str| {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}\r\n");
        exchange(sidecar.admin, request).await.to_lowercase()
    };
    let page = ask("/", "sec-fetch-site: cross-site\r\n").await;
    assert!(page.starts_with("http/1.1 200") && page.contains("<!doctype html>"), "{page}");
    let files: Vec<_> = page.split('"').filter(|part| part.starts_with("/dashboard/")).collect();
    assert!(files.len() >= 3, "{files:?}");
    for path in files.into_iter().chain([
        "/",
        "/dashboard/views.js",
        "/dashboard/trace.js",
        "/dashboard/elements.js",
    ]) {
        let file = ask(path, "").await;
        assert!(file.starts_with("http/1.1 200"), "{path}: {file}");
        for header in
            ["frame-ancestors 'none'", "default-src 'none'", "nosniff", "no-referrer", "no-store"]
        {
            assert!(file.contains(header), "{path} without {header}: {file}");
        }
        assert!(!file.contains("unsafe-"), "{path} lets something in: {file}");
    }
    for path in ["/dashboard/state", "/dashboard/events", "/messages"] {
        for foreign in ["sec-fetch-site: cross-site\r\n", "origin: https://evil.example\r\n"] {
            let refused = ask(path, foreign).await;
            assert!(
                refused.starts_with("http/1.1 403") && refused.contains("http.bad_origin"),
                "{path}: {refused}"
            );
        }
    }
    let rebound = "GET / HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert!(exchange(sidecar.admin, rebound).await.contains("http.bad_host"));
    sidecar.stop().await;
}

#[tokio::test]
async fn so_many_may_watch_and_the_next_is_told_so_until_one_leaves() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo)).await;
    let mut watchers = Vec::new();
    for _ in 0..16 {
        watchers.push(Watcher::of(&sidecar).await);
    }
    let full = sidecar.admin("/dashboard/events").await;
    assert_eq!((full.status, full.header("retry-after")), (503, Some("5")), "{full}");
    drop(watchers.pop());
    let free = async || {
        let mut connection = Connection::open(sidecar.admin).await;
        connection.send(WATCH).await;
        connection.until("\r\n").await.contains("200").then_some(())
    };
    eventually("there is a seat again", free).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn who_does_not_read_holds_nobody_up_and_is_told_how_many_decisions_it_missed() {
    let plivo = plivo().await;
    // The system holds as little for either side as it can, so that what is not read soon waits in the program.
    let listener = TcpSocket::new_v4().unwrap();
    listener.set_send_buffer_size(1).unwrap();
    listener.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let listener = listener.listen(16).unwrap().into_std().unwrap();
    let setup = Setup::standard(&plivo).set("listen.admin", address.to_string());
    let sidecar = Sidecar::start_with_socket(setup, OwnedFd::from(listener)).await;
    let slow = TcpSocket::new_v4().unwrap();
    slow.set_recv_buffer_size(1).unwrap();
    let mut slow = slow.connect(address).await.unwrap();
    slow.write_all(WATCH.as_bytes()).await.unwrap();
    let mut head = [0; 15];
    timeout(PATIENCE, slow.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");

    // Far more than the ring and the connection hold together.
    // Lists so short that a busy machine decides each in time.
    let to: Vec<String> = (0..100).map(|nth| format!("+1415555{:04}", nth + 2_000)).collect();
    for _ in 0..20 {
        let message = json!({"to": to, "text": "hi", "dedup": "off"});
        let request = sidecar.post("/v1/messages").header("prefer", "respond-async").json(&message);
        request.answer().await.expect(202);
    }
    sidecar.send(&json!({"to": TO, "text": "the last"})).await.expect(202);

    // Others are told all the while.
    Watcher::of(&sidecar).await.state(|state| state["decisions"]["total"] == 2_001).await;

    // Now it reads: the last is there, and with what came nothing is lost without a word.
    let (mut text, mut chunk) = (String::new(), vec![0; 65_536]);
    let read = timeout(PATIENCE, async {
        while counted(&text).is_none_or(|(shown, dropped)| shown + dropped < 2_001) {
            let count = slow.read(&mut chunk).await.unwrap();
            assert!(count > 0, "the stream ended");
            text.push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
    });
    read.await.expect("all is accounted for");
    let (shown, dropped) = counted(&text).unwrap();
    assert_eq!(shown + dropped, 2_001, "each is shown or counted, once");
    assert!(dropped > 0, "nothing was dropped, so this has shown nothing");
    sidecar.stop().await;
}

/// Decisions shown and dropped in whole events so far.
fn counted(text: &str) -> Option<(u64, u64)> {
    let (mut shown, mut dropped) = (0, 0);
    let whole = text.rsplit_once("\n\n")?.0;
    for data in whole.split("event: decisions\n").skip(1) {
        let data = data.split("data: ").nth(1)?.split("\n\n").next()?;
        // An event may lie across two chunks, whose sizes stand between.
        let lines: String = data.split("\r\n").step_by(2).collect();
        let news: Value = serde_json::from_str(&lines).ok()?;
        shown += news["decisions"].as_array()?.len() as u64;
        dropped += news["dropped"].as_u64()?;
    }
    Some((shown, dropped))
}
