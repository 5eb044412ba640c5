//! What a limit refuses, and what repeats another message.

use serde_json::{Value, json};

use crate::harness::{App, Policy, Setup, Sidecar, TO, plivo};

#[tokio::test]
async fn ten_a_minute_are_taken_and_the_eleventh_is_told_when_to_come_back() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(Policy::new("throttle"))).await;
    for nth in 0..10 {
        let answer = sidecar.send(&json!({"to": TO, "text": format!("n{nth}")})).await;
        answer.expect(202);
        let left = format!("r={}", 9 - nth);
        assert!(
            answer.header("ratelimit").is_some_and(|limit| limit.contains(&left)),
            "{left} in {answer}"
        );
    }

    let answer = sidecar.send(&json!({"to": TO, "text": "n10"})).await;

    let body = answer.refused(429, "throttle.app");
    let wait: u64 =
        answer.header("retry-after").and_then(|wait| wait.parse().ok()).expect("whole seconds");
    assert!((1..=60).contains(&wait), "{answer}");
    assert_eq!(answer.header("ratelimit-policy"), Some("\"app\";q=10;w=60"));
    assert!(
        answer.header("ratelimit").is_some_and(|limit| limit.starts_with("\"app\";r=0;t=")),
        "{answer}"
    );
    assert_eq!(body["violated-policies"], json!(["app"]), "by its name in the headers: {body}");
    let message = json!({"to": TO, "text": "another"});
    let explained = sidecar.post("/v1/explain").json(&message).answer().await.expect(200);
    assert_eq!(explained["problem"]["violated-policies"], json!(["app"]), "{explained}");
    assert_eq!(plivo.sends().len(), 10);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_limit_that_only_monitors_is_in_no_header_and_refuses_nothing() {
    let plivo = plivo().await;
    let limits = json!([
        {"name": "real", "scope": "app", "quota": 9, "per_s": 60},
        {"name": "trial", "scope": "app", "quota": 1, "per_s": 60, "mode": "monitor"},
    ]);
    let throttle = Policy::new("throttle").settings(json!({"limits": limits}));
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(throttle)).await;
    for nth in 0..2 {
        let answer = sidecar.send(&json!({"to": TO, "text": format!("n{nth}")})).await;
        answer.expect(202);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"real\";q=9;w=60"), "{answer}");
    }
    let message = json!({"to": TO, "text": "n2"});
    let explained = sidecar.post("/v1/explain").json(&message).answer().await.expect(200);
    let told = explained["limits"].as_array().expect("limits").iter();
    let told: Vec<Value> =
        told.map(|limit| json!([limit["limit"], limit["mode"], limit["refused"]])).collect();
    let expected = [json!(["real", "enforce", false]), json!(["trial", "monitor", false])];
    assert_eq!(
        (&explained["verdict"], &told[..]),
        (&json!("accept"), &expected[..]),
        "{explained}"
    );
    sidecar.stop().await;
}

#[tokio::test]
async fn a_limit_without_room_for_a_long_text_does_not_say_that_nothing_is_left() {
    let plivo = plivo().await;
    let limit = json!({"name": "seg", "scope": "app", "quota": 5, "per_s": 60, "cost": "segments"});
    let throttle = Policy::new("throttle").settings(json!({"limits": [limit]}));
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(throttle)).await;
    let send = async |segments: usize| {
        sidecar.send(&json!({"to": TO, "text": "long ".repeat(30 * segments)})).await
    };
    assert_eq!(send(3).await.header("ratelimit"), Some("\"seg\";r=2;t=60"));

    let refused = send(3).await;

    let body = refused.refused(429, "throttle.seg");
    assert_eq!(body["detail"], "limit `seg` (5 in 60 s) has no room for 3 now");
    assert_eq!(refused.header("ratelimit"), None, "{refused}");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"seg\";q=5;qu=\"segments\";w=60"));
    assert!(refused.header("retry-after").is_some(), "{refused}");
    send(6).await.refused(422, "throttle.cost_exceeds_burst");
    send(1).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_limit_of_one_app_is_no_limit_of_another() {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo)
        .app(App::new("other", "token-of-other"))
        .policy(Policy::new("throttle").set("apps", json!(["demo"])));
    let sidecar = Sidecar::start(setup).await;

    for nth in 0..12 {
        let request = sidecar.post("/v1/messages").bearer("token-of-other");
        let answer = request.json(&json!({"to": TO, "text": format!("n{nth}")})).answer().await;
        answer.expect(202);
        assert_eq!(answer.header("ratelimit"), None, "{answer}");
    }

    let mine = sidecar.send(&json!({"to": TO, "text": "mine"})).await;
    assert!(mine.header("ratelimit").is_some_and(|limit| limit.contains("r=9")), "{mine}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_repeat_is_refused_and_names_the_message_it_repeats() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(Policy::new("dedup"))).await;
    let request = json!({"to": TO, "text": "hi"});
    let first = sidecar.send(&request).await.expect(202);

    let answer = sidecar.send(&request).await;

    assert_eq!(answer.refused(409, "dup.content")["earlier"], first["id"]);
    assert!(answer.header("retry-after").is_some(), "{answer}");
    sidecar.send(&json!({"to": TO, "text": "hi", "dedup": "off"})).await.expect(202);
    assert_eq!(plivo.sends().len(), 2);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_repeated_advertisement_is_answered_as_the_first_was() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(Policy::new("dedup"))).await;
    let request = json!({"to": TO, "text": "sale", "intent": "marketing"});
    let first = sidecar.send(&request).await.expect(202);

    let again = sidecar.send(&request).await.expect(202);

    assert_eq!((&again["id"], &again["message_uuid"]), (&first["id"], &first["message_uuid"]));
    assert_eq!(again["transformations"][0]["code"], "dup.coalesced", "{again}");
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}
