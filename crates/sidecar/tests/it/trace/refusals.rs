//! The traces of what is not sent, and of reloads.

use plivo_sim::Step;
use serde_json::json;
use telemetry::collector::Collector;

use super::{exporting, names, server, trace, trace_of};
use crate::harness::{Answer, Policy, Setup, Sidecar, TO, eventually, plivo};

/// Checks that the answer's code and status are in its server span, and that only a fault of the server is one there.
async fn is_traced(collector: &Collector, answer: &Answer, status: u16, code: &str) {
    answer.refused(status, code);
    let spans = trace(collector, trace_of(answer)).await;
    let server = server(&spans);
    let in_span =
        (server.attribute("sendgate.code"), server.attribute("http.response.status_code"));
    assert_eq!(in_span, (Some(code), Some(status.to_string().as_str())), "{server:#?}");
    let fault = (status >= 500).then(|| status.to_string());
    assert_eq!(server.attribute("error.type"), fault.as_deref(), "{server:#?}");
    assert_eq!(server.error.is_some(), fault.is_some(), "{server:#?}");
}

#[tokio::test]
async fn a_refused_request_has_its_code_and_is_an_error_only_where_the_server_failed() {
    let (plivo, collector) = (plivo().await, Collector::start_http());
    let guest = Policy::new("runaway").set("grants", json!(["state", "log"]));
    let setup = Setup::standard(&plivo).policy(Policy::new("dedup")).policy(guest);
    let sidecar = Sidecar::start(exporting(setup, &collector)).await;
    let says = async |to: &str, text: &str| sidecar.send(&json!({"to": to, "text": text})).await;

    is_traced(&collector, &says("x", "hi").await, 400, "phone.not_e164").await;
    is_traced(&collector, &says("+989121234567", "hi").await, 403, "country.hard_denied").await;
    says(TO, "twice").await.expect(202);
    is_traced(&collector, &says(TO, "twice").await, 409, "dup.content").await;
    is_traced(&collector, &says(TO, "refuse acme.closed").await, 422, "acme.closed").await;
    is_traced(&collector, &says(TO, "panic").await, 503, "policy.module_failed").await;
    plivo.script([Step::status(400)]).await;
    is_traced(&collector, &says(TO, "hi").await, 422, "upstream.rejected").await;
    let anonymous = sidecar.post("/v1/messages").anonymous().json(&json!({"to": TO, "text": "hi"}));
    is_traced(&collector, &anonymous.answer().await, 401, "auth.missing").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn the_policy_that_stopped_a_message_is_the_last_that_was_asked() {
    let (plivo, collector) = (plivo().await, Collector::start_http());
    let guest = Policy::new("runaway").set("grants", json!(["state", "log"]));
    let setup = Setup::new(&plivo).policy(guest).policy(Policy::new("validation"));
    let sidecar = Sidecar::start(exporting(setup, &collector)).await;

    for (text, verdict, code, failure) in [
        ("refuse acme.closed", "reject", Some("acme.closed"), None),
        ("panic", "failure", None, Some("trap")),
        ("undecided", "failure", None, Some("undecided")),
    ] {
        let answer = sidecar.send(&json!({"to": TO, "text": text})).await;
        let spans = trace(&collector, trace_of(&answer)).await;
        assert_eq!(names(&spans), ["POST /v1/messages", "policy.check"], "{text}");
        let policy = &spans[1];
        assert_eq!(policy.attribute("policy.name"), Some("runaway"), "{policy:#?}");
        assert_eq!(policy.attribute("policy.verdict"), Some(verdict), "{policy:#?}");
        assert_eq!(policy.attribute("policy.code"), code, "{policy:#?}");
        assert_eq!(policy.attribute("error.type"), failure, "{policy:#?}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn what_no_route_or_standard_names_makes_no_new_name_of_a_span() {
    let (plivo, collector) = (plivo().await, Collector::start_http());
    let sidecar = Sidecar::start(exporting(Setup::standard(&plivo), &collector)).await;

    for (method, path, name, route, known) in [
        ("GET", "/v1/messages/0", "GET /v1/messages/{id}", Some("/v1/messages/{id}"), "GET"),
        ("GET", "/v1/numbers/14155550123", "GET", None, "GET"),
        ("BREW", "/v1/messages", "HTTP /v1/messages", Some("/v1/messages"), "_OTHER"),
    ] {
        let answer = sidecar.request(method, path).answer().await;
        let spans = trace(&collector, trace_of(&answer)).await;
        let server = server(&spans);
        assert_eq!(server.name, name, "{method} {path}");
        assert_eq!(server.attribute("http.route"), route, "{server:#?}");
        assert_eq!(server.attribute("http.request.method"), Some(known), "{server:#?}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_reload_is_a_trace_that_says_how_it_ended() {
    let (plivo, collector) = (plivo().await, Collector::start_http());
    let setup = exporting(Setup::new(&plivo), &collector);
    let sidecar = Sidecar::start(setup.clone()).await;
    let change = async |setup: &Setup, ended: &str| {
        sidecar.folder.write("sidecar.toml", setup.to_toml());
        let spans = collector
            .wait_for(|spans| {
                spans.iter().any(|span| span.attribute("sendgate.reload") == Some(ended))
            })
            .await;
        spans.into_iter().find(|span| span.attribute("sendgate.reload") == Some(ended))
    };

    let good = setup.clone().policy(Policy::new("country"));
    let applied = change(&good, "applied").await.expect("a span");
    let typo = Policy::new("country").settings(json!({"typo": 1}));
    let refused = change(&setup.policy(typo), "refused").await.expect("a span");

    assert_eq!((applied.name.as_str(), &applied.error), ("reload", &None), "{applied:#?}");
    assert_eq!(applied.attribute("sendgate.generation"), Some("2"), "{applied:#?}");
    let spans = collector.spans();
    let load = spans.iter().find(|span| span.parent_id.as_ref() == Some(&applied.span_id));
    let load = load.unwrap_or_else(|| panic!("nothing below {applied:#?}"));
    assert_eq!(load.name, "policy.load");
    assert_eq!(load.attribute("policy.name"), Some("country"), "{load:#?}");
    assert!(refused.error.is_some(), "{refused:#?}");
    assert_eq!(refused.attribute("sendgate.generation"), Some("2"), "the one that still serves");
    let told = refused.events.iter().any(|(_, fields)| {
        fields.get("fault").is_some_and(|fault| fault.contains("policies.country.settings"))
    });
    assert!(told, "{refused:#?}");
    eventually("the generation before is in force", async || {
        let ready = sidecar.ready().await.expect(200);
        (ready["generation"] == 2 && ready["reload_refused"].is_array()).then_some(())
    })
    .await;
    sidecar.stop().await;
}
