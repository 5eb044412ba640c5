//! After a busy run at debug level no log line and no answer holds a credential, a number or a text.

use plivo_sim::{PlivoSim, SimConfig, Step};
use serde_json::{Value, json};

use crate::harness::{App, Connection, Policy, Setup, Sidecar};

const APP_TOKEN: &str = "app-token-zebra-zebra-zebra-zebra";
const PLIVO_TOKEN: &str = "plivo-token-giraffe-giraffe-giraffe";
const AUTH_ID: &str = "MAXXXXXXXXXXXXXXXXXX";
const WORDS: [&str; 3] = ["swordfish", "marmalade", "telescope"];
/// Without their plus signs, since Plivo writes them so.
const NUMBERS: [&str; 5] =
    ["14155550123", "14155550199", "989121234567", "14155550777", "4155550188"];

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
        json!({"to": format!("+{good}"), "text": "panic", "tags": {"swordfish": "marmalade"}}),
        json!({"to": format!("+{good}"), "text": 5, "marmalade": "telescope"}),
        json!({"to": format!("+{good}"), "text": "chatty 50"}),
    ];
    for body in &bodies {
        for path in ["/v1/messages", "/v1/explain"] {
            answers.push(sidecar.post(path).bearer(APP_TOKEN).json(body).answer().await.text);
        }
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
    for path in ["/readyz", "/policies"] {
        answers.push(sidecar.admin(path).await.text);
    }
    answers
}

#[tokio::test]
async fn a_busy_run_leaves_nothing_private_in_its_log_and_no_credential_in_its_answers() {
    let plivo =
        PlivoSim::start(SimConfig { auth_token: PLIVO_TOKEN.into(), ..SimConfig::default() }).await;
    let guest =
        Policy::new("runaway").set("grants", json!(["state", "log", "amend"])).set("time_ms", 250);
    let setup = Setup::standard(&plivo)
        .set("telemetry.log", "debug")
        .set("plivo.auth_token", PLIVO_TOKEN)
        .app(App::new("demo", APP_TOKEN))
        .policy(Policy::new("trial").settings(json!({"enabled": false, "verified": [format!("+{}", NUMBERS[0])]})))
        .policy(Policy::new("dedup"))
        .policy(Policy::new("throttle").settings(json!({"limits": [{"name": "recipient", "scope": "recipient", "quota": 100, "per_s": 60}]})))
        .policy(guest);
    let sidecar = Sidecar::start(setup).await;

    let answers = busy(&sidecar, &plivo).await;
    assert!(plivo.sends().len() > 5, "the run was not busy: {} sends", plivo.sends().len());
    let log = sidecar.stop().await;

    let debugging = log.events().iter().any(|event: &Value| event["level"] == "DEBUG");
    assert!(debugging, "the log is not at debug level:\n{}", log.text());
    for secret in [APP_TOKEN, PLIVO_TOKEN, &basic(), "zebra", "giraffe"] {
        told_nowhere(secret, &log.lines(), "the log");
        told_nowhere(secret, &answers, "the answers");
    }
    told_nowhere(AUTH_ID, &log.lines(), "the log");
    for private in WORDS.iter().chain(&NUMBERS).chain(&["555-0123"]) {
        told_nowhere(private, &log.lines(), "the log");
    }
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
