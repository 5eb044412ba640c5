//! The door for Plivo's own SDKs: the bodies that each of them sends, byte for byte, and the answers they read.
//!
//! The bodies are those that the official SDKs were seen to send (reference page on Plivo's API, section 7.2).

mod bodies;
mod ended;
mod members;
mod paging;
mod refused;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use plivo_sim::{Queued, Step};
use serde_json::{Value, json};

use self::bodies::{Sent, bodies};
use crate::harness::{Answer, PATIENCE, Policy, Setup, Sidecar, TOKEN, exchange, plivo};

const ACCOUNT: &str = "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message";

/// The reference's numbers are in no numbering plan, so no policy judges them here.
async fn sidecar(plivo: &plivo_sim::PlivoSim) -> Sidecar {
    Sidecar::start(Setup::new(plivo)).await
}

async fn post(sidecar: &Sidecar, body: &str) -> Answer {
    let basic = BASE64_STANDARD.encode(format!("MAXXXXXXXXXXXXXXXXXX:{TOKEN}"));
    let request =
        sidecar.post(&format!("{ACCOUNT}/")).header("authorization", &format!("Basic {basic}"));
    request.header("content-type", "application/json; charset=UTF-8").body(body).answer().await
}

#[tokio::test]
async fn the_body_of_every_official_sdk_is_taken_as_it_is() {
    let plivo = plivo().await;
    let sidecar = sidecar(&plivo).await;
    for (who, body, wanted) in bodies() {
        plivo.clear();

        let answer = post(&sidecar, body).await;

        let answered = answer.expect(202);
        let mut sends = plivo.sends();
        // Messages of one request are on their way at the same time.
        sends.sort_by(|one, other| one.dst.cmp(&other.dst));
        let dst: Vec<&str> = sends.iter().map(|send| send.dst.as_str()).collect();
        assert_eq!(dst, wanted.dst, "{who}: {answer}");
        for send in &sends {
            assert_eq!(seen(send, wanted), wanted, "{who}");
        }
        let uuids: Vec<&str> = sends.iter().map(|send| send.message_uuid.as_str()).collect();
        assert_eq!(answered["message_uuid"], json!(uuids), "{who}: {answer}");
        assert_eq!(answered["message"], "message(s) queued", "{who}: {answer}");
        assert!(answered["api_id"].is_string(), "{who}: {answer}");
        assert_eq!(answered.get("invalid_number"), None, "{who}: {answer}");
    }
    sidecar.stop().await;
}

/// What was sent, in the words of what was wanted; recipients are compared beforehand.
fn seen<'a>(send: &'a Queued, wanted: Sent<'a>) -> Sent<'a> {
    let same_media = send.media_urls == wanted.media_urls;
    Sent {
        src: &send.src,
        pool: &send.powerpack_uuid,
        dst: wanted.dst,
        text: &send.text,
        kind: &send.kind,
        media_urls: if same_media { wanted.media_urls } else { &["other media"] },
        expiry: send.message_expiry.is_some_and(|seconds| seconds <= 60),
    }
}

#[tokio::test]
async fn a_whole_request_of_the_python_sdk_in_two_packets_is_answered_with_its_length() {
    let plivo = plivo().await;
    let sidecar = sidecar(&plivo).await;
    let (_, body, _) = bodies()[0];
    let basic = BASE64_STANDARD.encode(format!("MAXXXXXXXXXXXXXXXXXX:{TOKEN}"));
    let request = format!(
        "POST {ACCOUNT}/ HTTP/1.1\r\nHost: {}\r\nUser-Agent: plivo-python/4.63.0 (Python: 3.11.7)\r\n\
         Accept-Encoding: gzip, deflate\r\nAccept: application/json\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nAuthorization: Basic {basic}\r\n\r\n{body}",
        sidecar.apps,
        body.len()
    );

    let answer = exchange(sidecar.apps, request).await.to_lowercase();

    assert!(answer.starts_with("http/1.1 202 "), "{answer}");
    assert!(answer.contains("\r\ncontent-length: "), "{answer}");
    for never in ["transfer-encoding", "content-encoding", "\r\nlocation:"] {
        assert!(!answer.contains(never), "{never} in {answer}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn slashes_too_few_and_too_many_lead_to_the_same_door() {
    let plivo = plivo().await;
    let sidecar = sidecar(&plivo).await;
    for (nth, path) in
        [ACCOUNT.to_owned(), format!("{ACCOUNT}//"), format!("/{ACCOUNT}/")].iter().enumerate()
    {
        let body = json!({"src": "+14150000001", "dst": "+14150000002", "text": format!("n{nth}")});
        sidecar.post(path).json(&body).answer().await.expect(202);
    }
    assert_eq!(plivo.sends().len(), 3);
    sidecar.stop().await;
}

#[tokio::test]
async fn the_text_of_a_python_list_is_refused_with_a_word_of_help() {
    let plivo = plivo().await;
    let sidecar = sidecar(&plivo).await;

    let body = r#"{"dst": "['14150000002', '14150000003']", "text": "x", "src": "14150000001", "type": "sms", "method": "POST", "log": "true", "trackable": false}"#;
    let answer = post(&sidecar, body).await;

    let error = answer.expect(400)["error"].as_str().expect("a text").to_owned();
    assert!(error.contains("list") && error.contains('<'), "{error}");
    assert_eq!(plivo.requests().len(), 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_plivo_would_miss_is_refused_here() {
    let plivo = plivo().await;
    let sidecar = sidecar(&plivo).await;
    for (body, said) in [
        (
            r#"{"dst": "14150000002", "src": "14150000001", "type": "sms", "method": "POST", "log": "true"}"#,
            "text.empty",
        ),
        (r#"{"src": "14150000001", "text": "x"}"#, "dst parameter is missing"),
        (r#"{"src": "14150000001", "dst": "", "text": "x"}"#, "phone."),
        (
            r#"{"src": "14150000001", "dst": ["14150000002", 14150000003], "text": "x"}"#,
            "dst/1 is a number; send a string (body.wrong_type)",
        ),
        (
            r#"{"src": "14150000001", "dst": "14150000002", "text": "x", "media_ids": ["a b"]}"#,
            "media.bad_id",
        ),
        (r#"{"src": "14150000001", "dst": "14150000001", "text": "x"}"#, "phone.same_as_sender"),
        (
            r#"{"src": "14150000001", "dst": "14150000002", "text": "x", "powerpack_uuid": "86bbb125-97bb-4d72-89fd-81d5c515b015"}"#,
            "sender.ambiguous",
        ),
    ] {
        let answer = post(&sidecar, body).await;
        let error = answer.expect(400)["error"].as_str().unwrap_or_default().to_owned();
        assert!(error.contains(said), "{said} in {answer}");
    }
    assert_eq!(plivo.requests().len(), 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_message_can_be_asked_for_by_its_uuid_and_listed() {
    let plivo = plivo().await;
    let sidecar = sidecar(&plivo).await;
    let sent = post(&sidecar, bodies()[0].1).await.expect(202);
    let uuid = sent["message_uuid"][0].as_str().expect("a uuid");

    let details = sidecar.get(&format!("{ACCOUNT}/{uuid}/")).await.expect(200);
    let listed = sidecar.get(&format!("{ACCOUNT}/?limit=20")).await.expect(200);

    for (member, wanted) in [
        ("message_uuid", json!(uuid)),
        ("from_number", json!("14150000001")),
        ("to_number", json!("14150000002")),
        ("message_direction", json!("outbound")),
        ("message_type", json!("sms")),
        ("message_state", json!("queued")),
        ("units", json!(1)),
    ] {
        assert_eq!(details[member], wanted, "{member} of {details}");
    }
    assert!(details["api_id"].is_string(), "{details}");
    let time = details["message_time"].as_str().expect("an instant");
    let form = jiff::fmt::strtime::BrokenDownTime::parse("%Y-%m-%d %H:%M:%S%.6f%:z", time);
    let at =
        form.and_then(|form| form.to_timestamp()).unwrap_or_else(|err| panic!("{time}: {err}"));
    assert!(at.duration_until(jiff::Timestamp::now()).as_secs().abs() < 60, "{time}");
    assert_eq!(time.len(), "2026-11-29 12:57:23.042000+00:00".len(), "{time}");
    assert_eq!(listed["objects"][0]["message_time"], time, "{listed}");
    assert_eq!(listed["objects"][0]["message_uuid"], uuid, "{listed}");
    sidecar.stop().await;
}

#[tokio::test]
async fn an_answer_before_the_sdks_patience_ends_carries_an_id_that_can_be_asked_for() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::new(&plivo).set("delivery.compat_wait_ms", 50)).await;

    let sent = post(&sidecar, bodies()[0].1).await.expect(202);

    let id = sent["message_uuid"][0].as_str().expect("an id").to_owned();
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();
    let open = sidecar.get(&format!("{ACCOUNT}/{id}/")).await.expect(200);
    assert_eq!(
        (&open["message_uuid"], &open["message_state"]),
        (&json!(id), &json!("queued")),
        "{open}"
    );
    plivo.release();
    sidecar.record(&id, |record| record["status"] == "submitted").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn an_equal_request_within_seconds_is_the_same_request_again() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(Policy::new("dedup"))).await;
    let (_, body, _) = bodies()[0];

    let first = post(&sidecar, body).await.expect(202);
    let again = post(&sidecar, body).await.expect(202);
    let other: Value = post(&sidecar, &body.replace("Hello", "Good day")).await.expect(202);

    assert_eq!(again["message_uuid"], first["message_uuid"]);
    assert_ne!(other["message_uuid"], first["message_uuid"]);
    assert_eq!(plivo.sends().len(), 2);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_is_taken_is_told_the_limits_that_it_was_charged_to() {
    let plivo = plivo().await;
    let limit = json!({"name": "app", "scope": "app", "quota": 5, "per_s": 60});
    let throttle = Policy::new("throttle").settings(json!({"limits": [limit]}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(throttle)).await;

    let answer = post(&sidecar, r#"{"src":"14155551212","dst":"14155550123","text":"hi"}"#).await;

    answer.expect(202);
    assert_eq!(answer.header("ratelimit-policy"), Some("\"app\";q=5;w=60"), "{answer}");
    assert!(answer.header("ratelimit").is_some_and(|told| told.starts_with("\"app\";r=4;t=")));
    sidecar.stop().await;
}
