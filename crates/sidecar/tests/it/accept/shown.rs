//! What an app is shown: its messages, its policies and its limits.

use serde_json::{Value, json};

use super::text;
use crate::harness::{App, Policy, SENDER, Setup, Sidecar, TO, plivo};

#[tokio::test]
async fn the_record_of_a_message_tells_its_way_and_hides_its_text() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let request = json!({"to": TO, "text": "the password is swordfish", "intent": "OTP", "tags": {"order": "17"}});
    let id = text(&sidecar.send(&request).await.expect(202), "id");

    let answer = sidecar.get(&format!("/v1/messages/{id}")).await;

    let record = answer.expect(200);
    for (member, wanted) in [
        ("id", json!(id)),
        ("status", json!("submitted")),
        ("status_simple", json!("queued")),
        ("message_uuid", json!(plivo.sends()[0].message_uuid)),
        ("to", json!(TO)),
        ("from", json!(SENDER)),
        ("type", json!("sms")),
        ("intent", json!("otp")),
        ("tags", json!({"order": "17"})),
        ("text_bytes", json!(25)),
        ("error_code", Value::Null),
    ] {
        assert_eq!(record[member], wanted, "{member} of {record}");
    }
    assert_eq!(record["attempts"].as_array().map(Vec::len), Some(1), "{record}");
    let asked: Vec<&Value> =
        record["decisions"].as_array().unwrap().iter().map(|each| &each["policy"]).collect();
    assert_eq!(asked, ["validation", "country"], "{record}");
    assert!(!answer.text.contains("swordfish"), "{answer}");
    sidecar.stop().await;
}

#[tokio::test]
async fn messages_are_listed_newest_first_filtered_and_in_pages() {
    let plivo = plivo().await;
    let sidecar =
        Sidecar::start(Setup::standard(&plivo).app(App::new("other", "token-of-other"))).await;
    let mut ids = Vec::new();
    for nth in 1..=5 {
        let request = json!({"to": format!("+1415555010{nth}"), "text": "hi"});
        ids.insert(0, text(&sidecar.send(&request).await.expect(202), "id"));
    }
    let listed = |body: &Value| -> Vec<String> {
        body["messages"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|record| text(record, "id"))
            .collect()
    };

    assert_eq!(listed(&sidecar.get("/v1/messages").await.expect(200)), ids);
    let first = sidecar.get("/v1/messages?limit=2").await.expect(200);
    assert_eq!(listed(&first), ids[..2]);
    let after = format!("/v1/messages?limit=2&after={}", text(&first, "next"));
    assert_eq!(listed(&sidecar.get(&after).await.expect(200)), ids[2..4]);
    let one = sidecar.get("/v1/messages?to=%2B14155550104&status=submitted").await.expect(200);
    assert_eq!(listed(&one), ids[1..2]);
    assert_eq!(listed(&sidecar.get("/v1/messages?status=failed").await.expect(200)), [""; 0]);
    let filters = sidecar
        .get("/v1/messages?status=lost&limit=0&colour=red&a/~=&after=none&to=%2B14155550104&to=1")
        .await;
    let pointers: Vec<String> = filters.refused(400, "body.bad_filter")["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| text(e, "pointer"))
        .collect();
    assert_eq!(pointers, ["/to", "/status", "/limit", "/colour", "/a~1~0", "/to", "/after"]);
    let other = sidecar.request("GET", "/v1/messages").bearer("token-of-other").answer().await;
    assert_eq!(listed(&other.expect(200)), [""; 0], "another app's messages are nobody's business");
    sidecar.stop().await;
}

#[tokio::test]
async fn an_app_sees_its_chain_and_its_limits_with_their_sources() {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo)
        .app(App::new("other", "token-of-other"))
        .policy(Policy::new("dedup").set("apps", json!(["other"])))
        .policy(Policy::new("throttle"))
        .policy(Policy::new("throttle").set("name", "looks-on").set("mode", "shadow"));
    let sidecar = Sidecar::start(setup).await;

    let chain = sidecar.get("/v1/policies").await.expect(200);
    let limits = sidecar.get("/v1/limits").await.expect(200);

    let names: Vec<String> =
        chain["policies"].as_array().unwrap().iter().map(|each| text(each, "name")).collect();
    assert_eq!(
        names,
        ["validation", "country", "throttle", "looks-on"],
        "the chain of this app, without another's: {chain}"
    );
    let gsm7 = &limits["provider"]["gsm7_units"];
    assert_eq!(gsm7["value"], 1600, "{limits}");
    assert!(gsm7["source"].is_string() && gsm7["as_of"].is_string(), "{gsm7}");
    assert_eq!(limits["sendgate"]["idempotency_key_s"], 86_400, "{limits}");
    // In force although no setting names it.
    let usual = json!([{"name": "app", "scope": "app", "quota": 10, "per_s": 60}]);
    assert_eq!(limits["policies"][2], json!({"policy": "throttle", "limits": usual}));
    assert_eq!(limits["policies"][3], Value::Null, "what is in the shadow bounds nothing");
    sidecar.stop().await;
}
