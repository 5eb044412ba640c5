//! The trace of a message that is sent.

use plivo_sim::Step;
use serde_json::json;
use telemetry::collector::Collector;

use super::{APPS_SPAN, TRACE, exporting, names, server, trace, trace_of, traceparent};
use crate::harness::{Policy, Setup, Sidecar, TO, plivo};

async fn a_send_is_one_trace(collector: Collector, protocol: &str) {
    let plivo = plivo().await;
    let guest = Policy::new("runaway").set("grants", json!(["state", "log"])).set("mode", "shadow");
    let setup = Setup::standard(&plivo).policy(guest).set("telemetry.protocol", protocol);
    let sidecar = Sidecar::start(exporting(setup, &collector)).await;

    let message = json!({"to": TO, "text": "notes 2"});
    let request = sidecar.post("/v1/messages").header("traceparent", &traceparent());
    let answer = request.json(&message).answer().await;
    let (trace_id, body) = (trace_of(&answer).to_owned(), answer.expect(202));
    let listed = sidecar.admin("/policies").await.expect(200);
    let spans = trace(&collector, TRACE).await;

    assert_eq!(trace_id, TRACE, "the answer names the app's trace");
    let expected =
        ["POST /v1/messages", "policy.check", "policy.check", "policy.check", "plivo.send"];
    assert_eq!(names(&spans), expected);
    let request = &spans[0];
    assert_eq!(request.parent_id.as_deref(), Some(APPS_SPAN), "{request:#?}");
    assert_eq!((request.kind.as_str(), &request.error), ("server", &None), "{request:#?}");
    assert_eq!(request.service, "sendgate");
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/v1/messages"),
        ("http.response.status_code", "202"),
        ("url.scheme", "http"),
        ("sendgate.app", "demo"),
        ("sendgate.account", "default"),
        ("sendgate.generation", "1"),
        ("sendgate.message.id", body["id"].as_str().expect("an id")),
    ] {
        assert_eq!(request.attribute(name), Some(value), "{name} in {request:#?}");
    }
    for (nth, (span, mode)) in spans[1..4].iter().zip(["enforce", "enforce", "shadow"]).enumerate()
    {
        assert_eq!(span.parent_id.as_ref(), Some(&request.span_id), "{span:#?}");
        let policy = &listed["policies"][nth];
        let digest = &policy["digest"].as_str().expect("a digest")[..12];
        for (name, value) in [
            ("policy.name", policy["name"].as_str().expect("a name")),
            ("policy.version", policy["version"].as_str().expect("a version")),
            ("policy.digest", digest),
            ("policy.generation", "1"),
            ("policy.mode", mode),
            ("policy.verdict", "accept"),
            ("policy.host_calls", "0"),
        ] {
            assert_eq!(span.attribute(name), Some(value), "{name} in {span:#?}");
        }
        assert!(span.attribute("policy.wasm_us").is_some_and(|us| us.parse::<u64>().is_ok()));
    }
    let notes: Vec<&str> =
        spans[3].events.iter().map(|(_, fields)| fields["note.key"].as_str()).collect();
    assert_eq!(notes, ["test.note_0", "test.note_1"]);
    let call = &spans[4];
    assert_eq!(call.parent_id.as_ref(), Some(&request.span_id), "{call:#?}");
    assert_eq!((call.kind.as_str(), &call.error), ("client", &None), "{call:#?}");
    for (name, value) in [
        ("sendgate.attempt", "1"),
        ("sendgate.outcome", "accepted"),
        ("http.request.method", "POST"),
        ("http.response.status_code", "202"),
        ("server.address", "127.0.0.1"),
        ("server.port", plivo.address().port().to_string().as_str()),
    ] {
        assert_eq!(call.attribute(name), Some(value), "{name} in {call:#?}");
    }
    let told = plivo.requests()[0].headers.iter().any(|(name, _)| name.starts_with("trace"));
    assert!(!told, "no trace leaves for Plivo");
    sidecar.stop().await;
}

#[tokio::test]
async fn over_http_a_send_is_one_trace_below_the_apps_span() {
    a_send_is_one_trace(Collector::start_http(), "http").await;
}

#[tokio::test]
async fn over_grpc_a_send_is_one_trace_below_the_apps_span() {
    a_send_is_one_trace(Collector::start_grpc(), "grpc").await;
}

#[tokio::test]
async fn later_attempts_are_traces_of_their_own_that_link_to_the_request() {
    let (plivo, collector) = (plivo().await, Collector::start_http());
    plivo.script([Step::status(503), Step::status(429).with_header("retry-after", "0")]).await;
    let sidecar = Sidecar::start(exporting(Setup::standard(&plivo), &collector)).await;

    let answer = sidecar.send(&json!({"to": TO, "text": "hi"})).await;
    answer.expect(202);
    let request = trace(&collector, trace_of(&answer)).await;
    let retries =
        |spans: &[_]| spans.iter().filter(|span: &&_| is_named(span, "delivery.retry")).count();
    let spans = collector.wait_for(|spans| retries(spans) == 2).await;

    let first = request.last().expect("spans");
    assert_eq!(
        (first.name.as_str(), first.attribute("sendgate.attempt")),
        ("plivo.send", Some("1"))
    );
    assert_eq!(first.attribute("http.response.status_code"), Some("503"), "{first:#?}");
    assert_eq!(first.attribute("sendgate.outcome"), Some("rejected"), "{first:#?}");
    assert!(first.error.is_some() && first.attribute("error.type").is_some(), "{first:#?}");
    for (attempt, outcome) in [("2", "rejected"), ("3", "accepted")] {
        let of_attempt = |name: &str| {
            let mut named = spans.iter().filter(|span| is_named(span, name));
            let found = named.find(|span| span.attribute("sendgate.attempt") == Some(attempt));
            found.unwrap_or_else(|| panic!("no {name} of attempt {attempt} in {spans:#?}"))
        };
        let (retry, call) = (of_attempt("delivery.retry"), of_attempt("plivo.send"));
        let server = server(&request);
        assert_eq!(retry.links, [(server.trace_id.clone(), server.span_id.clone())], "{retry:#?}");
        assert_eq!((&retry.parent_id, call.parent_id.as_ref()), (&None, Some(&retry.span_id)));
        assert_ne!(retry.trace_id, server.trace_id);
        assert_eq!(call.attribute("sendgate.outcome"), Some(outcome), "{call:#?}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn the_span_of_a_request_does_not_wait_for_a_message_that_does() {
    let (plivo, collector) = (plivo().await, Collector::start_http());
    let sidecar = Sidecar::start(exporting(Setup::standard(&plivo), &collector)).await;
    let in_an_hour = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let message = json!({"to": TO, "text": "hi", "not_before": in_an_hour.to_string()});

    let request = sidecar.post("/v1/messages").header("prefer", "respond-async").json(&message);
    let answer = request.answer().await;
    let id = answer.expect(202)["id"].as_str().expect("an id").to_owned();
    assert_eq!(answer.header("preference-applied"), Some("respond-async"));

    let spans = trace(&collector, trace_of(&answer)).await;
    assert_eq!(names(&spans), ["POST /v1/messages", "policy.check", "policy.check"]);
    sidecar.record(&id, |record| record["status"] == "waiting").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn an_explanation_is_a_trace_without_a_call() {
    let (plivo, collector) = (plivo().await, Collector::start_http());
    let sidecar = Sidecar::start(exporting(Setup::standard(&plivo), &collector)).await;

    let request = sidecar.post("/v1/explain").json(&json!({"to": TO, "text": "hi"}));
    let answer = request.answer().await;

    let spans = trace(&collector, trace_of(&answer)).await;
    assert_eq!(names(&spans), ["POST /v1/explain", "policy.check", "policy.check"]);
    sidecar.stop().await;
}

fn is_named(span: &telemetry::collector::SpanSeen, name: &str) -> bool {
    span.name == name
}
