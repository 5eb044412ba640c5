//! After a busy run nothing that it wrote holds a credential, a number or a text: no log line at any level, no span, no
//! metric, no page of the operator's, no decision that was logged, no tool's output; and no answer a credential.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use plivo_sim::{Callbacks, PlivoSim, SimConfig, Step};
use serde_json::{Value, json};
use telemetry::collector::Collector;

use crate::harness::{App, Connection, Policy, Setup, Sidecar, eventually, run_to_end};
use crate::reports::Ingress;
use crate::tools::sendgate;

const APP_TOKEN: &str = "app-token-zebra-zebra-zebra-zebra";
const PLIVO_TOKEN: &str = "plivo-token-giraffe-giraffe-giraffe";
const EUROPE_TOKEN: &str = "europe-token-giraffe-giraffe-giraffe";
const EUROPE_ID: &str = "MAYYYYYYYYYYYYYYYYYY";
const SHOP_TOKEN: &str = "shop-token-zebra-zebra-zebra-zebra";
const OPERATOR: &str = "operator-token-zebra-zebra-zebra-zebra";
const HASH_KEY: &str = "hash-key-giraffe-giraffe-giraffe-giraffe";
const AUTH_ID: &str = "MAXXXXXXXXXXXXXXXXXX";
const WORDS: [&str; 3] = ["swordfish", "marmalade", "telescope"];
/// Without their plus signs, since Plivo writes them so.
const NUMBERS: [&str; 5] =
    ["14155550123", "14155550199", "989121234567", "14155550777", "4155550188"];
/// What a policy says at these texts, which have nothing of the handset's number.
const SAID: [(&str, &str); 5] = [
    ("a note of it", "note seen {dashed} or {spaced}"),
    ("no decision", "undecided {spaced}"),
    ("a line of the log", "log dials {spaced}"),
    ("a code with it", "refuse a.{to}"),
    ("a key with it", "note n{to} v"),
];
/// The ends of that number as people group it.
const GROUPED: [&str; 2] = ["555-0123", "555 0123"];

/// Requests of every kind, well and ill meant, with all the answers.
async fn busy(sidecar: &Sidecar, plivo: &PlivoSim) -> Vec<String> {
    let [good, other, denied, sender, malformed] = NUMBERS;
    let mut answers = Vec::new();
    let media = "https://cdn.example.com/marmalade.jpg?signature=telescope";
    let bodies = [
        json!({"to": format!("+{good}"), "text": "swordfish"}),
        json!({"to": format!("+{good}"), "text": "swordfish"}),
        json!({"to": format!("+{denied}"), "text": "swordfish"}),
        json!({"to": malformed, "text": "swordfish"}),
        json!({"to": format!("+{good}<{other}"), "text": "swordfish"}),
        json!({"to": [format!("+{good}"), format!("+{other}"), malformed], "text": "marmalade"}),
        json!({"to": format!("+{good}"), "from": format!("+{sender}"), "text": "telescope"}),
        json!({"to": format!("+{good}"), "text": "look", "media_urls": [media]}),
        json!({"to": format!("+{denied}"), "text": "look", "media_urls": [media]}),
        json!({"to": format!("+{good}"), "text": "panic", "tags": {"campaign": "marmalade"}}),
        json!({"to": format!("+{good}"), "text": 5, "marmalade": "telescope"}),
        json!({"to": format!("+{good}"), "text": "chatty 50"}),
    ];
    for body in &bodies {
        for path in ["/v1/messages", "/v1/explain"] {
            answers.push(sidecar.post(path).bearer(APP_TOKEN).json(body).answer().await.text);
        }
    }
    for text in ["swordfish".to_owned(), format!("count n{good} 1"), "count swimmers 1".to_owned()]
    {
        let body = json!({"to": format!("+{good}"), "text": text});
        let shop = sidecar.post("/v1/messages").bearer(SHOP_TOKEN).json(&body).answer().await;
        assert_eq!(shop.status, 202, "{shop}");
        answers.push(shop.text);
    }
    for (text, _) in SAID {
        let body = json!({"to": format!("+{good}"), "text": text});
        let said = sidecar.post("/v1/messages").bearer(APP_TOKEN).json(&body).answer().await;
        answers.push(said.text);
    }
    let echoes = format!(
        "{AUTH_ID}; Authorization: Basic {}; token {PLIVO_TOKEN}; 'swordfish and marmalade' to (415) 555-0123",
        basic()
    );
    plivo.script([Step::status(400).with_body(echoes)]).await;
    let body = json!({"to": format!("+{good}"), "text": "swordfish and marmalade"});
    let echoed = sidecar.post("/v1/messages").bearer(APP_TOKEN).json(&body).answer().await;
    assert_eq!(echoed.status, 422, "Plivo was not asked: {echoed}");
    answers.push(echoed.text);
    for step in [
        Step::status(400).with_body("a word about 14155550123"),
        Step::status(500),
        Step::reset(),
        Step::status(503),
        Step::truncate(),
    ] {
        plivo.script([step]).await;
        let body =
            json!({"to": format!("+{other}"), "text": format!("swordfish {}", answers.len())});
        answers.push(
            sidecar
                .post("/v1/messages")
                .bearer(APP_TOKEN)
                .key("marmalade")
                .json(&body)
                .answer()
                .await
                .text,
        );
    }
    let plivo_body = json!({"src": sender, "dst": format!("{good}<{other}"), "text": "swordfish"});
    let path = format!("/v1/Account/{AUTH_ID}/Message/");
    answers.push(sidecar.post(&path).bearer(APP_TOKEN).json(&plivo_body).answer().await.text);
    let seed =
        json!({"recipient": format!("+{good}"), "message": "swordfish", "mediaUrls": [media]});
    answers.push(sidecar.post("/mms/send").bearer(APP_TOKEN).json(&seed).answer().await.text);
    answers.push(
        sidecar
            .post("/v1/messages")
            .bearer(PLIVO_TOKEN)
            .body("{\"to\":\"+14155550123\",swordfish")
            .answer()
            .await
            .text,
    );
    answers.push(
        sidecar
            .post("/v1/messages")
            .bearer(APP_TOKEN)
            .body("{\"to\":\"+14155550123\",swordfish")
            .answer()
            .await
            .text,
    );
    let list = format!("/v1/messages?to=%2B{good}&swordfish=1");
    answers.push(sidecar.request("GET", &list).bearer(APP_TOKEN).answer().await.text);
    let mut torn = Connection::open(sidecar.apps).await;
    torn.send(format!(
        "POST /v1/messages?to={good} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \
     {APP_TOKEN}\r\nswordfish\r\n\r\n"
    ))
    .await;
    answers.push(torn.rest().await);
    let heard =
        json!({"from": format!("+{good}"), "to": format!("+{sender}"), "text": "swordfish"});
    answers.push(sidecar.post("/v1/inbound").bearer(APP_TOKEN).json(&heard).answer().await.text);
    answers
}

/// Every page that an operator may open without being asked who that is, and what one who watches is told.
async fn pages(sidecar: &Sidecar, mut watcher: Connection) -> Vec<String> {
    let listed = sidecar.admin("/messages").await.expect(200);
    let id = listed["messages"][0]["id"].as_str().expect("a message").to_owned();
    let (one, refused) = (format!("/messages/{id}"), format!("/messages?to=%2B{}", NUMBERS[0]));
    let mut pages = vec![watcher.until("event: decisions").await, watcher.until("\n\n").await];
    for path in [
        "/livez",
        "/startupz",
        "/readyz",
        "/policies",
        "/policies/trial/differences",
        "/policies/14155550123/differences",
        "/messages",
        &one,
        "/messages/14155550123",
        &refused,
        "/messages?status=swordfish&limit=14155550123&14155550123=",
        "/events/dead",
        "/openapi.json",
        "/",
        "/dashboard/state",
        "/14155550123/swordfish",
        "/metrics",
    ] {
        let page = sidecar.admin(path).await;
        pages.push(format!("{:?} {}", page.headers, page.text));
    }
    pages
}

#[tokio::test]
async fn a_busy_run_leaves_nothing_private_in_what_it_writes_and_no_credential_in_its_answers() {
    let (collector, ingress) = (Collector::start_http(), Ingress::open().await);
    let account = SimConfig {
        auth_token: PLIVO_TOKEN.into(),
        further: vec![(EUROPE_ID.into(), EUROPE_TOKEN.into())],
        callbacks: Callbacks::auto(),
        ..SimConfig::default()
    };
    let plivo = PlivoSim::start(account).await;
    let sidecar = Sidecar::start(setup(&plivo, &collector, &ingress)).await;
    ingress.lead_to(&sidecar).await;
    let mut watcher = Connection::open(sidecar.admin).await;
    watcher.send("GET /dashboard/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await;

    let answers = busy(&sidecar, &plivo).await;
    assert!(plivo.sends().len() > 5, "the run was not busy: {} sends", plivo.sends().len());
    reported(&sidecar).await;
    let pages = pages(&sidecar, watcher).await;
    let doctor = run_to_end("doctor", &sidecar.folder, &[]).await.log.lines();
    let printed = sendgate(sidecar.folder.path(), &["check", "--print"]).await;
    let folder = Arc::clone(&sidecar.folder);
    collector.wait_for_records(|records| records.len() > 10).await;
    let log = sidecar.stop().await;
    let records = collector.wait_for_records(|_| true).await;
    let records: Vec<String> = records.iter().map(|record| format!("{record:#?}")).collect();
    let metrics = collector.metric_exports();
    let decisions = fs::read_to_string(folder.path().join("decisions.jsonl")).expect("a log");
    let spans: Vec<String> = collector.spans().iter().map(|span| format!("{span:#?}")).collect();

    let tracing = log.events().iter().any(|event: &Value| event["level"] == "TRACE");
    assert!(tracing, "the log is not at its lowest level:\n{}", log.text());
    assert!(
        decisions.lines().count() > 10 && spans.len() > 50,
        "{} spans\n{decisions}",
        spans.len()
    );
    let written = [
        ("the log", log.lines()),
        ("a span", spans),
        ("a page", pages),
        ("a metric", metrics),
        ("a record", records),
        ("the decision log", vec![decisions]),
        ("doctor", doctor),
    ];
    for secret in [APP_TOKEN, PLIVO_TOKEN, OPERATOR, HASH_KEY, &basic(), "zebra", "giraffe"] {
        for (name, places) in &written {
            told_nowhere(secret, places, name);
        }
        told_nowhere(secret, &answers, "an answer");
        told_nowhere(secret, &[printed.out.clone(), printed.err.clone()], "check --print");
    }
    for (told, said) in [(&written[0].1, "dials 415•"), (&written[1].1, "(415• or 415•")] {
        assert!(told.iter().any(|place| place.contains(said)), "the policy did not say {said}");
    }
    for place in &written[2..=3] {
        assert!(place.1.iter().any(|told| told.contains("swimmers")), "{} counts nothing", place.0);
    }
    let private = WORDS.iter().chain(&NUMBERS).chain(&GROUPED).chain(&[AUTH_ID, EUROPE_ID]);
    for private in private {
        for (name, places) in &written {
            told_nowhere(private, places, name);
        }
    }
}

fn setup(plivo: &PlivoSim, collector: &Collector, ingress: &Ingress) -> Setup {
    let limit = json!({"name": "recipient", "scope": "recipient", "quota": 100, "per_s": 60});
    let verified = json!({"enabled": false, "verified": [format!("+{}", NUMBERS[0])]});
    let guest = Policy::new("runaway")
        .set("grants", json!(["state", "log", "amend"]))
        .set("time_ms", 250)
        .settings(json!({"on_text": BTreeMap::from(SAID)}));
    let imports = json!(["state", "log", "metrics", "telecom", "zones", "media"]);
    let counts = Policy::new("probe").set("grants", imports).set("apps", json!(["shop"]));
    let europe = json!({"auth_id": EUROPE_ID, "auth_token": EUROPE_TOKEN, "sender": format!("+{}", NUMBERS[3])});
    Setup::standard(plivo)
        .durable()
        .set("listen.admin_token", OPERATOR)
        .set("listen.callbacks", "127.0.0.1:0")
        .set("listen.callbacks_url", ingress.url())
        .set("store.hash_key", HASH_KEY)
        .set("decisions.path", "decisions.jsonl")
        .set("decisions.otlp", true)
        .set("telemetry.otlp", collector.endpoint())
        .set("telemetry.log", "trace")
        .set("plivo.auth_token", PLIVO_TOKEN)
        .set("plivo.accounts", json!({"europe": europe}))
        .app(App::new("demo", APP_TOKEN))
        .app(App::new("shop", SHOP_TOKEN).set("account", "europe"))
        .policy(Policy::new("trial").settings(verified))
        .policy(Policy::new("consent"))
        .policy(Policy::new("dedup"))
        .policy(Policy::new("throttle").settings(json!({"limits": [limit]})))
        .policy(counts)
        .policy(guest)
}

/// Waits until Plivo's reports have been heard, which name numbers too.
async fn reported(sidecar: &Sidecar) {
    let delivered = async || {
        let list = sidecar.request("GET", "/v1/messages?status=delivered").bearer(APP_TOKEN);
        let list = list.answer().await.expect(200);
        list["messages"].as_array().is_some_and(|all| all.len() > 2).then_some(())
    };
    eventually("messages are delivered", delivered).await;
}

/// What Plivo is sent as credentials.
fn basic() -> String {
    let pair = format!("{AUTH_ID}:{PLIVO_TOKEN}");
    base64::Engine::encode(&base64::prelude::BASE64_STANDARD, pair)
}

fn told_nowhere(secret: &str, places: &[String], name: &str) {
    let told: Vec<&String> = places.iter().filter(|place| place.contains(secret)).collect();
    assert!(told.is_empty(), "{name} says {secret}: {told:#?}");
}
