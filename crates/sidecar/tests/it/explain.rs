//! `POST /v1/explain`: what every policy would say, with no send, no claim and no charge.

mod changes;
mod when;

use serde_json::{Value, json};

use crate::harness::{App, Policy, Setup, Sidecar, TO, TOKEN, plivo};

fn names_and_verdicts(body: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let policies = body["policies"].as_array().expect("a list");
    policies.iter().map(|each| (text(&each["policy"]), text(&each["verdict"]))).collect()
}

#[tokio::test]
async fn every_policy_is_asked_whatever_the_first_one_says() {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo)
        .policy(Policy::new("trial").settings(json!({"verified": ["+14155550199"]})))
        .policy(Policy::new("dedup"))
        .policy(Policy::new("throttle"));
    let sidecar = Sidecar::start(setup).await;
    let ask =
        async |body: Value| sidecar.post("/v1/explain").json(&body).answer().await.expect(200);

    let body = ask(json!({"to": "+989121234567", "text": "hi"})).await;

    let wanted = [
        ("validation", "accept"),
        ("country", "reject"),
        ("trial", "reject"),
        ("dedup", "accept"),
        ("throttle", "accept"),
    ];
    let found = names_and_verdicts(&body);
    let found: Vec<(&str, &str)> =
        found.iter().map(|(name, verdict)| (name.as_str(), verdict.as_str())).collect();
    assert_eq!(found, wanted, "{body:#}");
    assert_eq!(body["verdict"], "reject", "{body:#}");
    assert_eq!(
        (&body["problem"]["code"], &body["problem"]["status"]),
        (&json!("country.hard_denied"), &json!(403))
    );
    assert_eq!(body["facts"]["region"], "IR", "{body:#}");
    for decision in body["policies"].as_array().unwrap() {
        assert!(
            decision["us"].is_u64()
                && decision["version"].is_string()
                && decision["digest"].is_string(),
            "{decision}"
        );
    }
    assert_eq!(plivo.requests().len(), 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn of_a_list_each_fault_is_told_at_its_recipient_as_a_send_tells_it() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let request = json!({"to": ["+14155550123", "abc", "+5351234567", "+4412"], "text": "x"});
    let told = async |door: &str, at: fn(&Value) -> &Value| -> Vec<String> {
        let body = sidecar.post(door).json(&request).answer().await.json();
        let messages = body["messages"].as_array().unwrap_or_else(|| panic!("{body:#}")).iter();
        let told = |message: &Value| at(message)["errors"][0]["pointer"].to_string();
        messages.map(told).collect()
    };

    let explained = told("/v1/explain", |message| &message["problem"]).await;

    assert_eq!(explained, ["null", "\"/to/1\"", "\"/to/2\"", "\"/to/3\""]);
    assert_eq!(told("/v1/messages", |message| &message["problem"]).await, explained);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_repeat_that_an_earlier_message_stands_for_is_foretold_as_it_is_answered() {
    let plivo = plivo().await;
    let dedup = json!({"window_s": 60, "mode": "coalesce"});
    let sidecar =
        Sidecar::start(Setup::new(&plivo).policy(Policy::new("dedup").settings(dedup))).await;
    let request = json!({"to": TO, "text": "hi"});
    let first = sidecar.send(&request).await.expect(202);

    let body = sidecar.post("/v1/explain").json(&request).answer().await.expect(200);

    assert_eq!((&body["verdict"], &body["earlier"]), (&json!("accept"), &first["id"]), "{body:#}");
    assert_eq!(body["when"].as_array().map(Vec::len), Some(1), "{body:#}");
    assert!(body.get("problem").is_none(), "{body:#}");
    assert_eq!(body["transformations"][0]["code"], "dup.coalesced", "{body:#}");
    assert_eq!(sidecar.send(&request).await.expect(202)["id"], first["id"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn explaining_changes_nothing_however_often_it_is_asked() {
    let plivo = plivo().await;
    let one = json!({"limits": [{"name": "app", "scope": "app", "quota": 1, "per_s": 3600}]});
    let setup = Setup::standard(&plivo)
        .policy(Policy::new("dedup"))
        .policy(Policy::new("throttle").settings(one));
    let sidecar = Sidecar::start(setup).await;
    let request = json!({"to": TO, "text": "hi"});
    let explain =
        async || sidecar.post("/v1/explain").key("k1").json(&request).answer().await.expect(200);
    for _ in 0..3 {
        assert_eq!(explain().await["verdict"], "accept");
    }

    let sent = sidecar.post("/v1/messages").key("k1").json(&request).answer().await;

    sent.expect(202);
    assert_eq!(sent.header("idempotent-replayed"), None, "{sent}");
    let after = explain().await;
    assert_eq!(
        (&after["verdict"], &after["problem"]["code"]),
        (&json!("reject"), &json!("dup.content")),
        "{after:#}"
    );
    assert_eq!(after["limits"][0]["refused"], true, "{after:#}");
    assert_eq!(
        sidecar.get("/v1/messages").await.expect(200)["messages"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn changes_are_shown_as_they_would_be_made() {
    let plivo = plivo().await;
    let link = Policy::new("country").settings(json!({"mms_fallback": "link"}));
    let sidecar =
        Sidecar::start(Setup::new(&plivo).policy(Policy::new("validation")).policy(link)).await;
    let request = json!({"to": "+33612345678", "text": "hi", "media_urls": ["https://cdn.example.com/a.jpg"], "colour": "red"});

    let body = sidecar.post("/v1/explain").json(&request).answer().await.expect(200);

    assert_eq!((&body["verdict"], &body["type"]), (&json!("accept"), &json!("sms")), "{body:#}");
    assert_eq!(body["transformations"][0]["code"], "mms.downgraded", "{body:#}");
    assert_eq!(body["warnings"][0]["code"], "body.unknown_field_dropped", "{body:#}");
    assert_eq!(
        body["facts"]["segments"]["units"],
        "hi https://cdn.example.com/a.jpg".len(),
        "{body:#}"
    );
    sidecar.stop().await;
}

#[tokio::test]
async fn where_a_message_wants_to_be_told_is_judged_as_in_a_send() {
    let plivo = plivo().await;
    let calls = App::new("demo", TOKEN)
        .set("relay_allow", json!(["https://app.example.com"]))
        .set("relay_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let quiet = App::new("quiet", "quiet-token");
    let sidecar = Sidecar::start(Setup::standard(&plivo).app(calls).app(quiet)).await;
    let said = |url: &str| json!({"to": TO, "text": format!("to {url}"), "callback_url": url});
    let own = said("https://app.example.com/told");
    let foreign = said("https://elsewhere.example.com/told");
    for door in ["/v1/explain", "/v1/messages"] {
        let refused = sidecar.post(door).json(&foreign).answer().await;
        let problem = refused.refused(403, "relay.not_allowed");
        assert_eq!(problem["errors"][0]["pointer"], "/callback_url", "{refused}");
        let taken = sidecar.post(door).json(&own).answer().await;
        assert!([200, 202].contains(&taken.status), "{taken}");
        assert_eq!(taken.json()["warnings"], json!([]), "{taken}");
        let unheard = sidecar.post(door).bearer("quiet-token").json(&foreign).answer().await;
        assert_eq!(unheard.json()["warnings"][0]["code"], "callback_url.not_relayed", "{unheard}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn several_recipients_are_explained_one_by_one_and_nonsense_is_refused() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let request = json!({"to": [TO, "+989121234567", "nobody"], "text": "hi"});
    let body = sidecar.post("/v1/explain").json(&request).answer().await.expect(200);
    let nonsense =
        sidecar.post("/v1/explain").json(&json!({"to": "nobody", "text": ""})).answer().await;

    let verdicts: Vec<&Value> =
        body["messages"].as_array().unwrap().iter().map(|each| &each["verdict"]).collect();
    assert_eq!(verdicts, ["accept", "reject", "reject"], "{body:#}");
    assert_eq!(body["messages"][2]["problem"]["code"], "phone.not_e164", "{body:#}");
    assert_eq!(nonsense.codes()[1..], ["phone.not_e164", "text.empty"], "{nonsense}");
    sidecar.stop().await;
}
