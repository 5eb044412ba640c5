//! Refusals in the form of each door: every fault at once, a stable code, nothing sent and nothing given away.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Answer, App, Policy, Setup, Sidecar, TO, TOKEN, plivo};

const PLIVO_DOOR: &str = "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/";

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
    assert_eq!(refused.header("ratelimit-policy"), Some("\"seg\";q=5;w=60"));
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

fn errors(body: &Value) -> BTreeSet<(String, String)> {
    let errors = body["errors"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    errors.map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
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
