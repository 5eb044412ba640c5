//! Every fault is told at once, at its place.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::errors;
use crate::harness::{App, Policy, Setup, Sidecar, TO, TOKEN, plivo};

#[tokio::test]
async fn every_fault_is_told_at_once_with_its_pointer() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let request = json!({
        "to": "4155550123", "from": "nobody@example", "media_urls": ["https://cdn.example.com/a.jpg", "http://127.0.0.1/b.jpg"],
        "media_ids": [7], "ttl_s": 1, "intent": "two \
         words", "not_before": "tomorrow", "dedup": "maybe", "text": "a\u{0}b",
    });

    let answer = sidecar.send(&request).await;

    let body = answer.expect(400);
    let found: BTreeSet<(String, String)> = errors(&body);
    let wanted = [
        ("/to", "phone.not_e164"),
        ("/from", "sender.invalid"),
        ("/media_urls/1", "url.ip_private"),
        ("/media_ids/0", "body.wrong_type"),
        ("/ttl_s", "ttl.out_of_range"),
        ("/intent", "body.bad_intent"),
        ("/not_before", "ttl.not_before"),
        ("/dedup", "body.bad_dedup"),
        ("/text", "text.control_char"),
    ];
    for (pointer, code) in wanted {
        assert!(
            found.contains(&(pointer.to_owned(), code.to_owned())),
            "no {code} at {pointer} in {answer}"
        );
    }
    assert_eq!(found.len(), wanted.len(), "{answer}");
    assert_eq!(plivo.requests().len(), 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn of_two_members_that_do_not_go_together_each_is_looked_at_by_itself_too() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let long = "k".repeat(256);
    let cases: [(Value, &[(&str, &str)]); 4] = [
        (
            json!({"dedup": "x", "dedup_key": ""}),
            &[("/dedup", "neither off nor content"), ("/dedup_key", "not a key of 1 to 255 bytes")],
        ),
        (
            json!({"dedup": "off", "dedup_key": long}),
            &[("/dedup_key", "not a key of 1 to 255 bytes"), ("/dedup_key", "stands beside")],
        ),
        (json!({"dedup_key": "off"}), &[("/dedup_key", "is the word off")]),
        (
            json!({"from": "<", "powerpack_uuid": "x"}),
            &[("/from", "-"), ("/powerpack_uuid", "is not a UUID"), ("/from", "stands beside")],
        ),
    ];
    for (more, wanted) in cases {
        let mut body = json!({"to": TO, "text": "hi"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = sidecar.send(&body).await;
        let told = answer.expect(400);
        let told = told["errors"].as_array().expect("errors").clone();
        let agrees = |(fault, (pointer, word)): (&Value, &(&str, &str))| {
            let detail = fault["detail"].as_str().unwrap_or_default();
            fault["pointer"] == *pointer && (*word == "-" || detail.contains(word))
        };
        let all = told.len() == wanted.len() && told.iter().zip(wanted).all(agrees);
        assert!(all, "for {more}: {answer}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn an_empty_intent_names_none() {
    let plivo = plivo().await;
    let app = App::new("demo", TOKEN).set("default_intent", "marketing");
    let sidecar = Sidecar::start(Setup::new(&plivo).app(app)).await;
    for intent in [json!(""), Value::Null] {
        let body = json!({"to": TO, "text": format!("for {intent}"), "intent": intent});
        let sent = sidecar.send(&body).await.expect(202);
        let path = format!("/v1/messages/{}", sent["id"].as_str().expect("an id"));
        assert_eq!(sidecar.get(&path).await.expect(200)["intent"], "marketing", "{body}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn media_that_cannot_be_read_are_one_fault_and_make_up_no_others() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let url = "https://example.com/a.jpg";
    for (more, pointer) in [
        (json!({"media_urls": url}), "/media_urls"),
        (json!({"media_urls": url, "type": "mms"}), "/media_urls"),
        (json!({"media_urls": [5], "type": "mms"}), "/media_urls/0"),
        (json!({"media_ids": "x", "type": "mms"}), "/media_ids"),
        (json!({"media_ids": {"a": 1}}), "/media_ids"),
        (json!({"media_urls": url, "text": "я".repeat(800)}), "/media_urls"),
    ] {
        let mut body = json!({"to": TO});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let problem = sidecar.send(&body).await.refused(400, "body.wrong_type");
        let errors = problem["errors"].as_array().unwrap();
        let pointers: Vec<&Value> = errors.iter().map(|error| &error["pointer"]).collect();
        assert_eq!(pointers, [pointer], "{more}: {problem}");
    }
    let told = json!({"to": TO, "text": "hi", "type": "sms", "media_urls": [5]});
    let problem = sidecar.send(&told).await.refused(400, "body.wrong_type");
    assert_eq!(problem["errors"][1]["code"], "media.type_mismatch", "{problem}");
    sidecar.stop().await;
}

#[tokio::test]
async fn an_app_cannot_have_a_policy_fail_by_the_number_or_the_length_of_its_faults() {
    let plivo = plivo().await;
    let strict = Policy::new("validation").settings(json!({"unknown_fields": "deny"}));
    for on_failure in ["reject", "accept"] {
        let strict = strict.clone().set("on_failure", on_failure);
        let sidecar = Sidecar::start(Setup::new(&plivo).policy(strict)).await;
        for (count, name_bytes, faults) in [(65, 4, 64), (1, 256, 1), (1, 257, 1), (5_000, 5, 64)] {
            let mut request = json!({"to": TO, "text": "hi"});
            for nth in 0..count {
                request[format!("{nth:n<name_bytes$}")] = json!(1);
            }

            let answer = sidecar.send(&request).await;

            let body = answer.refused(400, "body.unknown_field");
            let listed = body["errors"].as_array().expect("a list").len();
            assert_eq!(listed, faults, "{on_failure}: {count} of {name_bytes} bytes: {answer}");
        }
        sidecar.stop().await;
    }
    assert_eq!(plivo.requests().len(), 0);
}

#[tokio::test]
async fn a_send_with_parameters_in_its_url_is_refused_since_somebody_may_mean_a_dry_run() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let dry = sidecar.post("/v1/messages?dry=1").json(&json!({"to": TO, "text": "hi"}));
    let refused = dry.answer().await.refused(400, "body.bad_filter");
    assert!(refused.to_string().contains("POST to /v1/explain"), "{refused}");
    let mms = json!({"recipient": TO, "message": "hi", "mediaUrls": ["https://example.com/a.jpg"]});
    let seed = sidecar.post("/mms/send?dry=1").json(&mms).answer().await;
    assert_eq!(seed.status, 400, "{seed}");
    for path in ["/v1/explain", "/v1/inbound", "/v1/messages/any/converted"] {
        let answer = sidecar.post(&format!("{path}?dry=1")).json(&json!({})).answer().await;
        assert_eq!(errors(&answer.refused(400, "body.bad_filter")).len(), 1, "{path}");
    }
    assert!(plivo.sends().is_empty());
    sidecar.stop().await;
}

#[tokio::test]
async fn a_look_up_that_takes_no_parameters_refuses_every_one() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let sent = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    let one = format!("/v1/messages/{}", sent["id"].as_str().expect("an id"));
    for path in [&*one, "/v1/policies", "/v1/limits"] {
        let answer = sidecar.get(&format!("{path}?x&app=other&a/~=1&x=2")).await;
        let body = answer.refused(400, "body.bad_filter");
        let wanted = ["/x", "/app", "/a~1~0"].map(|at| (at.into(), "body.bad_filter".into()));
        assert_eq!(errors(&body), BTreeSet::from(wanted), "{path}");
        sidecar.get(&format!("{path}?")).await.expect(200);
    }
    let named = sidecar.get("/v1/limits?%2B14155550177=1&4155550178=").await;
    assert!(named.text.contains("/+141•") && !named.text.contains("55501"), "{named}");
    sidecar.stop().await;
}
