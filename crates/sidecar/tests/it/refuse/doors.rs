//! The form that each door has for it.

use serde_json::{Value, json};

use crate::harness::{Answer, Policy, Setup, Sidecar, TO, plivo};

const PLIVO_DOOR: &str = "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/";

#[tokio::test]
async fn a_problem_has_the_members_of_rfc_9457_and_gives_nothing_away() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let answer =
        sidecar.send(&json!({"to": "+989121234567", "text": "the password is swordfish"})).await;

    let body = answer.refused(403, "country.hard_denied");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(body["status"], 403, "{body}");
    for member in ["type", "title", "detail"] {
        assert!(
            body[member].as_str().is_some_and(|text| !text.is_empty()),
            "no {member} in {body}"
        );
    }
    let policy = json!({"name": "country", "version": env!("CARGO_PKG_VERSION"), "code": "country.hard_denied"});
    assert_eq!(body["policy"], policy, "{body}");
    let places: Vec<_> =
        body["errors"].as_array().expect("a list").iter().map(|each| &each["pointer"]).collect();
    assert_eq!(places, ["/to"], "{body}");
    let trace = answer.header("sendgate-trace-id").map(|id| format!("urn:sendgate:trace:{id}"));
    assert_eq!(body["instance"].as_str(), trace.as_deref(), "{answer}");
    assert!(trace.is_some(), "{answer}");
    assert!(!answer.text.contains("9121234567") && !answer.text.contains("swordfish"), "{answer}");
    assert_eq!(
        sidecar.get("/v1/messages").await.expect(200)["messages"],
        json!([]),
        "refusals leave no record"
    );
    sidecar.stop().await;
}

#[tokio::test]
async fn what_a_policy_changed_is_told_at_every_door() {
    let plivo = plivo().await;
    let country = Policy::new("country").set("grants", json!(["amend"]));
    let country = country.settings(json!({"allow": ["*"], "mms_fallback": "strip"}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(country)).await;
    let url = "https://example.com/a.jpg";
    let downgraded = |told: &Value| {
        let told = told.as_array().expect("a list");
        told.iter().any(|each| each["code"] == "mms.downgraded")
    };

    let native = json!({"to": "+447400123456", "text": "native", "media_urls": [url]});
    let native = sidecar.send(&native).await.expect(202);
    let seed = json!({"recipient": "+447400123457", "message": "seed", "mediaUrls": [url]});
    let seed = sidecar.post("/mms/send").json(&seed).answer().await.expect(202);
    let compat =
        json!({"src": "14155551212", "dst": "447400123458", "text": "p", "media_urls": [url]});
    let compat = sidecar.post(PLIVO_DOOR).json(&compat).answer().await.expect(202);

    assert!(downgraded(&native["transformations"]), "{native}");
    assert!(downgraded(&seed["warnings"]), "{seed}");
    assert_eq!(seed["message"], "SMS queued");
    assert!(downgraded(&compat["warnings"]), "{compat}");
    sidecar.stop().await;
}

#[tokio::test]
async fn the_seeds_door_says_where_a_member_belongs_that_it_has_not() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(Policy::new("dedup"))).await;
    let body =
        json!({"recipient": TO, "message": "hi", "mediaUrls": ["https://cdn.example.com/a.jpg"]});
    sidecar.post("/mms/send").json(&body).answer().await.expect(202);

    let again = sidecar.post("/mms/send").json(&body).answer().await.refused(409, "dup.content");

    let said = again["message"][0].as_str().unwrap_or_default();
    assert!(said.contains("or send `dedup` of /v1/messages as \"off\""), "{again}");
    sidecar.stop().await;
}

#[tokio::test]
async fn the_seeds_door_refuses_in_the_seeds_form() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let malformed =
        json!({"recipient": "x", "message": "", "mediaUrls": ["http://localhost/a.jpg"]});
    let malformed = sidecar.post("/mms/send").json(&malformed).answer().await;
    let refused = json!({"recipient": "+33612345678", "message": "hi", "mediaUrls": ["https://cdn.example.com/a.jpg"]});
    let refused = sidecar.post("/mms/send").json(&refused).answer().await;

    let judged = json!({"recipient": "+390612345678", "message": "hi", "mediaUrls": ["https://cdn.example.com/a.html"]});
    let judged = sidecar.post("/mms/send").json(&judged).answer().await;

    let body = malformed.expect(400);
    assert_eq!(
        (&body["statusCode"], &body["error"]),
        (&json!(400), &json!("Bad Request")),
        "{body}"
    );
    let messages: Vec<&str> =
        body["message"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    for member in ["recipient", "message", "mediaUrls"] {
        let told = messages.iter().filter(|message| message.starts_with(member)).count();
        assert_eq!(told, 1, "{member} in {messages:?}");
    }
    let body = refused.refused(403, "country.mms_unsupported");
    assert!(
        body["message"][0].as_str().is_some_and(|said| said.starts_with("mediaUrls ")),
        "{body}"
    );
    assert_eq!((&body["statusCode"], &body["error"]), (&json!(403), &json!("Forbidden")), "{body}");
    let body = judged.expect(400);
    assert_eq!(
        body["message"].as_array().map(Vec::len),
        Some(2),
        "both faults that the policy found: {body}"
    );
    assert_eq!(plivo.requests().len(), 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_text_that_a_later_policy_made_too_long_is_refused_as_what_that_made_of_it() {
    let plivo = plivo().await;
    let country = Policy::new("country").set("grants", json!(["amend"]));
    let country = country.settings(json!({"mms_fallback": "link"}));
    let validation = Policy::new("validation").settings(json!({"max_segments": 1}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(validation).policy(country)).await;
    let text = "a".repeat(150);
    let media = json!(["https://example.com/a.jpg"]);

    let message = json!({"to": "+447400123456", "text": text, "media_urls": media});
    let body = sidecar.send(&message).await.refused(422, "text.too_many_segments");

    for detail in [&body["detail"], &body["errors"][0]["detail"]] {
        let said = detail.as_str().expect("text");
        let said = said.trim_start_matches("`/text` ");
        assert!(said.starts_with("as policy country has changed it: takes 2 segments"), "{body}");
    }
    assert_eq!(body["policy"]["name"], "validation", "{body}");
    assert_eq!(plivo.requests().len(), 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn plivos_door_refuses_in_plivos_form_with_statuses_whose_text_every_sdk_hands_on() {
    let plivo = plivo().await;
    let throttle = json!({"limits": [{"name": "app", "scope": "app", "quota": 1, "per_s": 3600}]});
    let setup = Setup::standard(&plivo).policy(Policy::new("throttle").settings(throttle));
    let sidecar = Sidecar::start(setup).await;
    let ask = async |body: Value| sidecar.post(PLIVO_DOOR).json(&body).answer().await;

    let malformed = ask(json!({"src": "+14155551212", "dst": "+1415555", "text": "hi"})).await;
    let denied = ask(json!({"src": "+14155551212", "dst": "+989121234567", "text": "hi"})).await;
    ask(json!({"src": "+14155551212", "dst": TO, "text": "fills the limit"})).await.expect(202);
    let limited = ask(json!({"src": "+14155551212", "dst": TO, "text": "hi"})).await;
    let stranger = sidecar.post(PLIVO_DOOR).bearer("nobody").json(&json!({})).answer().await;
    let elsewhere = sidecar.get("/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/no-such-message/").await;

    plivo_refusal(&malformed, 400, "phone.");
    plivo_refusal(&denied, 422, "country.hard_denied");
    let body = plivo_refusal(&limited, 409, "throttle.app");
    assert!(body["retry_after"].as_u64().is_some_and(|wait| wait > 0), "{body}");
    plivo_refusal(&elsewhere, 404, "");
    plivo_refusal(&stranger, 401, "auth.invalid");
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

/// Plivo's form: an `api_id`, and a text that says the code.
fn plivo_refusal(answer: &Answer, status: u16, code: &str) -> Value {
    let body = answer.expect(status);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(body["api_id"].is_string(), "{answer}");
    assert!(
        body["error"].as_str().is_some_and(|text| !text.is_empty() && text.contains(code)),
        "{answer}"
    );
    body
}
