//! Every fault at once: nobody mends a request in rounds.

use serde_json::{Value, json};

use super::still_serves;
use crate::harness::{Answer, SENDER, Setup, Sidecar, TO, plivo};

/// Pointers and codes of `errors`.
fn faults(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let body = answer.json();
    let errors = body["errors"].as_array().into_iter().flatten();
    errors.map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
}

#[tokio::test]
async fn a_list_that_is_refused_whole_tells_the_faults_of_every_recipient_too() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let to = json!(["x", TO, TO, "+19995550123", SENDER]);
    let answer = sidecar.send(&json!({"to": to, "text": ""})).await;

    answer.refused(400, "text.empty");
    let wanted = [
        ("/text", "text.empty"),
        ("/to/0", "phone.not_e164"),
        ("/to/2", "phone.repeated"),
        ("/to/4", "phone.same_as_sender"),
        ("/to/3", "phone.invalid"),
    ];
    assert_eq!(faults(&answer), wanted.map(|(at, code)| (at.into(), code.into())), "{answer}");
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn too_many_recipients_hide_no_other_fault() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let mut to: Vec<String> = (0..1_001).map(|nth| format!("+1415555{nth:04}")).collect();
    to[7] = "x".into();

    let answer = sidecar.send(&json!({"to": to, "text": "", "ttl_s": 1})).await;

    answer.refused(400, "phone.too_many");
    let found = faults(&answer);
    for (at, code) in [
        ("/to", "phone.too_many"),
        ("/text", "text.empty"),
        ("/ttl_s", "ttl.out_of_range"),
        ("/to/7", "phone.not_e164"),
    ] {
        assert!(found.contains(&(at.into(), code.into())), "{code} in {answer}");
    }
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn the_door_of_one_recipient_takes_no_list_and_says_so_in_its_own_form() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let media = json!(["https://cdn.example.com/a.jpg"]);

    for recipient in [json!([TO]), json!([TO, "+14155550199"]), json!([])] {
        let body = json!({"recipient": recipient, "message": "hi", "mediaUrls": media});
        let answer = sidecar.post("/mms/send").json(&body).answer().await;

        let said = answer.refused(400, "body.wrong_type");
        assert_eq!((&said["statusCode"], &said["error"]), (&json!(400), &json!("Bad Request")));
        let detail = said["message"][0].as_str().unwrap_or_default();
        assert!(detail.starts_with("recipient is an array"), "{answer}");
    }
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn the_door_of_one_recipient_tells_what_it_dropped() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let body = json!({"recipient": TO, "message": "hi", "mediaUrl": "https://cdn.example.com/b.jpg",
        "mediaUrls": ["https://cdn.example.com/a.jpg"]});

    let answer = sidecar.post("/mms/send").json(&body).answer().await.expect(202);

    let warning = &answer["warnings"][0];
    assert_eq!(warning["code"], "body.unknown_field_dropped", "{answer}");
    assert!(warning["detail"].as_str().is_some_and(|at| at.contains("/mediaUrl")), "{answer}");
    sidecar.stop().await;
}
