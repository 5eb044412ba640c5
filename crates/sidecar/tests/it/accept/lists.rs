//! Several recipients in one request: a message, a verdict and a send each.

use serde_json::{Value, json};

use crate::harness::{PATIENCE, Setup, Sidecar, plivo};

#[tokio::test]
async fn several_recipients_get_a_message_and_a_verdict_each() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let to = json!(["+14155550101", "+989121234567", "nobody", "+14155550102", "+14155550101"]);

    let body = sidecar.send(&json!({"to": to, "text": "hi"})).await.expect(202);

    let messages = body["messages"].as_array().expect("a list");
    let verdicts: Vec<&str> = messages.iter().map(verdict).collect();
    let wanted =
        ["submitted", "country.hard_denied", "phone.not_e164", "submitted", "phone.repeated"];
    assert_eq!(verdicts, wanted, "{body:#}");
    assert_eq!(messages[0]["to"], "+14155550101");
    let pointers = messages.iter().map(|entry| &entry["problem"]["errors"][0]["pointer"]);
    let places: Vec<Option<&str>> = pointers.map(|pointer| pointer.as_str()).collect();
    assert_eq!(places, [None, Some("/to/1"), Some("/to/2"), None, Some("/to/4")], "{body:#}");
    let mut handsets: Vec<String> = plivo.sends().into_iter().map(|send| send.dst).collect();
    handsets.sort();
    assert_eq!(handsets, ["14155550101", "14155550102"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn where_every_recipient_is_refused_the_answer_is_the_first_refusal() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let body = sidecar
        .send(&json!({"to": ["+989121234567", "+37744123456x"], "text": "hi"}))
        .await
        .expect(403);

    assert_eq!(body["messages"].as_array().map(Vec::len), Some(2), "{body}");
    assert_eq!(plivo.sends().len(), 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_a_policy_finds_of_one_in_a_list_points_at_that_one() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let to = json!(["+14155550123", "+14151110123", "+19005551212"]);
    let body = sidecar.send(&json!({"to": to, "text": "hi"})).await.expect(202);

    for (nth, code) in [(1, "phone.invalid"), (2, "phone.type_denied")] {
        let error = &body["messages"][nth]["problem"]["errors"][0];
        let place = format!("/to/{nth}");
        assert_eq!(
            (error["code"].as_str(), error["pointer"].as_str()),
            (Some(code), Some(&*place))
        );
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_thousand_recipients_are_sent_to_once_each() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let to: Vec<String> = (0..1_000).map(|nth| format!("+1415555{nth:04}")).collect();

    let body = sidecar.send(&json!({"to": to, "text": "hi"})).await.expect(202);

    let messages = body["messages"].as_array().expect("a list");
    let asked: Vec<&str> = messages.iter().filter_map(|message| message["to"].as_str()).collect();
    assert_eq!(asked, to, "the answer keeps the order of the request");
    plivo.wait_for_sends(1_000, PATIENCE).await.unwrap();
    let mut handsets: Vec<String> =
        plivo.sends().into_iter().map(|send| format!("+{}", send.dst)).collect();
    handsets.sort();
    assert_eq!(handsets, to);
    sidecar.stop().await;
}

/// A message's status, or the code of its refusal.
fn verdict(message: &Value) -> &str {
    let code = message["problem"]["code"].as_str();
    code.or(message["status"].as_str()).expect("a verdict")
}
