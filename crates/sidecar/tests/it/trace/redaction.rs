//! Nothing personal and no credential leaves in a span.

use plivo_sim::{PlivoSim, SimConfig, Step};
use serde_json::json;
use telemetry::collector::Collector;

use super::exporting;
use crate::harness::{App, Policy, Setup, Sidecar};

/// Whatever is said to be secret here and comes in the test's requests.
const SECRETS: [&str; 12] = [
    "4155550123",
    "4155550199",
    "9121234567",
    "attack",
    "private-picture",
    "order-key-77",
    "tag-value-88",
    "app-token-11",
    "plivo-token-22",
    "MAREDACTREDACTREDACT",
    "wrong-token-33",
    "provider-detail-44",
];

#[tokio::test]
async fn no_number_text_url_key_tag_or_credential_is_in_any_span() {
    let account = SimConfig {
        auth_id: "MAREDACTREDACTREDACT".into(),
        auth_token: "plivo-token-22".into(),
        ..SimConfig::default()
    };
    let (plivo, collector) = (PlivoSim::start(account).await, Collector::start_http());
    let guest = Policy::new("runaway").set("grants", json!(["state", "log", "amend"]));
    let setup = Setup::standard(&plivo)
        .set("plivo.auth_id", "MAREDACTREDACTREDACT")
        .set("plivo.auth_token", "plivo-token-22")
        .set("telemetry.log", "trace")
        .app(App::new("demo", "app-token-11"))
        .policy(Policy::new("dedup"))
        .policy(guest);
    let sidecar = Sidecar::start(exporting(setup, &collector)).await;
    let ask = |method: &str, path: &str| sidecar.request(method, path).bearer("app-token-11");
    let number = "+14155550123";

    let sms = json!({"to": number, "text": "attack at dawn", "tags": {"a": "tag-value-88"}});
    let kept = ask("POST", "/v1/messages").key("order-key-77").json(&sms).answer().await;
    kept.expect(202);
    ask("POST", "/v1/messages").json(&sms).answer().await.refused(409, "dup.content");
    let picture = json!(["https://cdn.example.com/private-picture.jpg"]);
    let mms = json!({"to": number, "text": "attack by picture", "media_urls": picture});
    ask("POST", "/v1/messages").json(&mms).answer().await.expect(202);
    let refused = json!({"to": "+989121234567", "text": "attack"});
    ask("POST", "/v1/messages").json(&refused).answer().await.expect(403);
    let broken = json!({"to": "4155550123", "text": ["attack"], "media_urls": ["private-picture"]});
    ask("POST", "/v1/messages").json(&broken).answer().await.expect(400);
    // A policy may repeat a text in its reason.
    for text in
        ["panic attack", "undecided attack 482913", "redirect +14155550199", "amend attack!"]
    {
        ask("POST", "/v1/messages").json(&json!({"to": number, "text": text})).answer().await;
    }
    let detail = Step::status(400).with_body("provider-detail-44 of +14155550123");
    plivo.script([detail, Step::reset(), Step::status(503).with_raw("provider-detail-44")]).await;
    for text in ["attack one", "attack two", "attack three"] {
        ask("POST", "/v1/messages").json(&json!({"to": number, "text": text})).answer().await;
    }
    let traced = ask("POST", "/v1/messages").json(&json!({"to": number, "text": "attack traced"}));
    let traced =
        traced.header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let traced = traced.header("tracestate", "kept=here,to=14155550123");
    traced.header_again("tracestate", "too=there,as=(415)555-0123").answer().await;
    let wrong = sidecar.post("/v1/messages").bearer("wrong-token-33").json(&sms);
    wrong.answer().await.refused(401, "auth.invalid");
    ask("GET", "/v1/messages?to=%2B14155550123").answer().await;
    ask("GET", "/v1/numbers/+14155550123/attack").answer().await.expect(404);
    let seed = json!({"recipient": number, "message": "attack", "mediaUrls": picture});
    ask("POST", "/mms/send").json(&seed).answer().await.expect(202);
    let bulk = json!({"src": "+14155551212", "dst": "14155550123<14155550199", "text": "attack"});
    ask("POST", "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/").json(&bulk).answer().await;
    sidecar.stop().await;

    let spans = collector.spans();
    let calls = spans.iter().filter(|span| span.name == "plivo.send").count();
    assert!(spans.len() > 50 && calls >= 6, "{} spans, {calls} calls", spans.len());
    assert!(
        spans.iter().any(|span| span.state == "kept=here,too=there"),
        "no span has the trace's state"
    );
    for span in &spans {
        let shown = format!("{span:#?}");
        let leaked: Vec<&str> =
            SECRETS.into_iter().filter(|secret| shown.contains(secret)).collect();
        assert!(leaked.is_empty(), "{leaked:?} in {shown}");
    }
}
