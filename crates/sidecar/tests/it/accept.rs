//! What an app gets for a message that is taken: an answer, a record, and one send.

mod lists;
mod room;
mod shown;
mod waits;

use plivo_sim::Authorization;
use serde_json::{Value, json};

use crate::harness::{Setup, Sidecar, TO, plivo};

#[tokio::test]
async fn a_text_reaches_plivo_once_and_its_uuid_comes_back() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let answer = sidecar.send(&json!({"to": TO, "text": "hi"})).await;

    let body = answer.expect(202);
    let [send] = &plivo.sends()[..] else { panic!("not one send: {:?}", plivo.sends().len()) };
    assert_eq!(body["status"], "submitted", "{body}");
    assert_eq!(body["message_uuid"], send.message_uuid.as_str(), "{body}");
    assert_eq!(body["segments"]["count"], 1, "{body}");
    assert_eq!((&body["warnings"], &body["transformations"]), (&json!([]), &json!([])), "{body}");
    assert_eq!(
        answer.header("location"),
        Some(format!("/v1/messages/{}", text(&body, "id")).as_str())
    );
    assert_eq!(
        (send.src.as_str(), send.dst.as_str(), send.text.as_str()),
        ("14155551212", "14155550123", "hi")
    );
    let [request] = &plivo.requests()[..] else {
        panic!("not one request: {:?}", plivo.requests())
    };
    assert_eq!(request.path, "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/");
    assert_eq!(request.authorization, Authorization::Valid);
    sidecar.stop().await;
}

#[tokio::test]
async fn media_go_by_url_and_by_id_in_the_order_given() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let urls = ["https://cdn.example.com/b.png", "https://cdn.example.com/a.jpg"];
    let request = json!({"to": TO, "text": "look", "media_urls": urls, "media_ids": ["801c2056-33ab-499c-80ef-58b574a462a2"]});

    let body = sidecar.send(&request).await.expect(202);

    let send = &plivo.sends()[0];
    assert_eq!((body["type"].as_str(), send.kind.as_str()), (Some("mms"), "mms"));
    assert_eq!(send.media_urls, urls);
    assert_eq!(send.media_ids, ["801c2056-33ab-499c-80ef-58b574a462a2"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn the_seeds_door_takes_the_seeds_form_and_answers_with_a_uuid() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let request =
        json!({"recipient": TO, "message": "hi", "mediaUrls": ["https://cdn.example.com/a.jpg"]});

    let body = sidecar.post("/mms/send").json(&request).answer().await.expect(202);

    let send = &plivo.sends()[0];
    assert_eq!((send.kind.as_str(), send.text.as_str()), ("mms", "hi"));
    assert_eq!(body["messageUuid"], send.message_uuid.as_str(), "{body}");
    assert_eq!(body["statusCode"], 202, "{body}");
    sidecar.stop().await;
}

/// A member that is a string.
fn text(body: &Value, member: &str) -> String {
    body[member].as_str().unwrap_or_else(|| panic!("no {member} in {body}")).to_owned()
}
