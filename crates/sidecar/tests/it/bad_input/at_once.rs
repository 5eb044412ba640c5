//! Every fault at once: nobody mends a request in rounds.

use serde_json::{Value, json};

use super::still_serves;
use crate::harness::{Answer, App, Policy, SENDER, Setup, Sidecar, TO, TOKEN, plivo};

/// Pointers and codes of `errors`.
fn faults(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let body = answer.json();
    let errors = body["errors"].as_array().into_iter().flatten();
    errors.map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
}

#[tokio::test]
async fn a_list_that_is_refused_whole_tells_the_faults_of_every_recipient_too() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let to = json!(["x", TO, TO, "+19995550123", SENDER]);
    let answer = sidecar.send(&json!({"to": to, "text": ""})).await;

    answer.refused(400, "text.empty");
    let wanted = [
        ("/text", "text.empty"),
        ("/to/0", "phone.not_e164"),
        ("/to/2", "phone.repeated"),
        ("/to/4", "phone.same_as_sender"),
        ("/to/3", "phone.invalid"),
    ];
    assert_eq!(faults(&answer), wanted.map(|(at, code)| (at.into(), code.into())), "{answer}");
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn a_fault_is_told_of_the_url_that_has_it_whatever_stands_before_it() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let urls = json!(["javascript:alert(1)", "https://example.com/a.jpg", "https://[::1]/x.jpg"]);

    let native = sidecar.send(&json!({"to": TO, "text": "hi", "media_urls": urls})).await;
    let strange = json!([5, "https://example.com/a.jpg", "https://[::1]/x.jpg"]);
    let typed = sidecar.send(&json!({"to": TO, "text": "hi", "media_urls": strange})).await;

    let at = |answer: &Answer, code: &str| -> Vec<String> {
        let found = faults(answer).into_iter().filter(|(_, told)| told == code);
        found.map(|(pointer, _)| pointer).collect()
    };
    assert_eq!(at(&native, "url.scheme"), ["/media_urls/0"], "{native}");
    assert_eq!(at(&native, "url.ip_private"), ["/media_urls/2"], "{native}");
    assert_eq!(at(&typed, "url.ip_private"), ["/media_urls/2"], "{typed}");
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn what_can_never_be_right_decides_the_status_wherever_it_stands() {
    let plivo = plivo().await;
    let own = App::new("demo", TOKEN).set("senders", json!([SENDER]));
    let sidecar = Sidecar::start(Setup::standard(&plivo).app(own)).await;
    let other = "+14155550188";

    let answer = sidecar.send(&json!({"to": TO, "from": other, "text": ""})).await;
    answer.refused(400, "text.empty");
    let wanted = [("/text", "text.empty"), ("/from", "sender.not_allowed")];
    assert_eq!(faults(&answer), wanted.map(|(at, code)| (at.into(), code.into())), "{answer}");

    let plain = json!({"to": TO, "from": other, "text": "hi"});
    sidecar.send(&plain).await.refused(403, "sender.not_allowed");
    let explained = sidecar.post("/v1/explain").json(&plain).answer().await;
    explained.refused(403, "sender.not_allowed");
    let listed = json!({"to": [TO, "x"], "from": other, "text": "hi"});
    sidecar.send(&listed).await.refused(400, "phone.not_e164");
    still_serves(sidecar, &plivo).await;
}

/// An object of `count` members.
fn members(count: usize, member: impl Fn(usize) -> String) -> String {
    let members: Vec<String> = (0..count).map(member).collect();
    format!("{{{}}}", members.join(","))
}

#[tokio::test]
async fn a_hundred_faults_are_told_and_the_others_counted_on_every_door() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let account = "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/";
    let long = "n".repeat(30_000);
    for (body, count) in [
        // With these neither a recipient nor a text is there.
        (members(9_001, |_| r#""a":1"#.into()), 9_002),
        (format!(r#"{{"{long}":{}}}"#, members(3_001, |_| r#""a":1"#.into())), 3_002),
        (format!(r#"{{"media_urls":[{}1],"to":"{TO}","text":"x"}}"#, "1,".repeat(8_999)), 9_000),
        (
            format!(
                r#"{{"tags":{},"to":"{TO}","text":"x"}}"#,
                members(4_000, |n| format!(r#""{n}":1"#))
            ),
            4_000,
        ),
    ] {
        for door in ["/v1/messages", "/v1/explain"] {
            let answer = sidecar.post(door).body(body.as_bytes()).answer().await;

            let said = answer.expect(400);
            assert_eq!(said["errors"].as_array().map(Vec::len), Some(100), "{answer}");
            assert_eq!(said["errors_omitted"], count - 100, "{answer}");
            let detail = said["detail"].as_str().unwrap_or_default();
            assert!(detail.starts_with(&format!("{count} faults")), "{answer}");
            assert!(answer.text.len() < 64 * 1_024, "{} bytes", answer.text.len());
        }
    }
    for (door, member) in [("/mms/send", "mediaUrls"), (account, "media_urls")] {
        let body = format!(r#"{{"{member}":[{}1]}}"#, "1,".repeat(8_999));
        let answer = sidecar.post(door).body(body.as_bytes()).answer().await;

        assert_eq!(answer.status, 400, "{answer}");
        assert!(answer.text.contains("more faults"), "{answer}");
        assert!(answer.text.len() < 64 * 1_024, "{} bytes", answer.text.len());
    }
    let query = "x&".repeat(3_000);
    for path in ["/v1/messages", "/v1/events", account] {
        let answer = sidecar.get(&format!("{path}?{query}")).await;
        assert_eq!(answer.status, 400, "{answer}");
        assert!(answer.text.len() < 64 * 1_024, "{} bytes", answer.text.len());
    }
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn members_that_mean_nothing_are_refused_within_bounds_where_the_operator_is_strict() {
    let plivo = plivo().await;
    let strict = Policy::new("validation").settings(json!({"unknown_fields": "deny"}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(strict)).await;
    let mut body = json!({"to": TO, "text": "hi", ("n".repeat(2_000)): 1});
    for nth in 0..4_000 {
        body[format!("m{nth}")] = 1.into();
    }

    let answer = sidecar.send(&body).await;

    answer.refused(400, "body.unknown_field");
    assert!(answer.text.len() < 8 * 1_024, "{} bytes", answer.text.len());
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn too_many_recipients_hide_no_other_fault() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let mut to: Vec<String> = (0..1_001).map(|nth| format!("+1415555{nth:04}")).collect();
    to[7] = "x".into();

    let answer = sidecar.send(&json!({"to": to, "text": "", "ttl_s": 1})).await;

    answer.refused(400, "phone.too_many");
    let found = faults(&answer);
    for (at, code) in [
        ("/to", "phone.too_many"),
        ("/text", "text.empty"),
        ("/ttl_s", "ttl.out_of_range"),
        ("/to/7", "phone.not_e164"),
    ] {
        assert!(found.contains(&(at.into(), code.into())), "{code} in {answer}");
    }
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn the_door_of_one_recipient_takes_no_list_and_says_so_in_its_own_form() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let media = json!(["https://cdn.example.com/a.jpg"]);

    for recipient in [json!([TO]), json!([TO, "+14155550199"]), json!([])] {
        let body = json!({"recipient": recipient, "message": "hi", "mediaUrls": media});
        let answer = sidecar.post("/mms/send").json(&body).answer().await;

        let said = answer.refused(400, "body.wrong_type");
        assert_eq!((&said["statusCode"], &said["error"]), (&json!(400), &json!("Bad Request")));
        let detail = said["message"][0].as_str().unwrap_or_default();
        assert!(detail.starts_with("recipient is an array"), "{answer}");
    }
    still_serves(sidecar, &plivo).await;
}

#[tokio::test]
async fn the_door_of_one_recipient_tells_what_it_dropped() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let body = json!({"recipient": TO, "message": "hi", "mediaUrl": "https://cdn.example.com/b.jpg",
        "mediaUrls": ["https://cdn.example.com/a.jpg"]});

    let answer = sidecar.post("/mms/send").json(&body).answer().await.expect(202);

    let warning = &answer["warnings"][0];
    assert_eq!(warning["code"], "body.unknown_field_dropped", "{answer}");
    assert!(warning["detail"].as_str().is_some_and(|at| at.contains("/mediaUrl")), "{answer}");
    sidecar.stop().await;
}

#[tokio::test]
async fn the_headers_the_json_and_the_callers_place_hide_nothing_that_is_wrong_besides() {
    let plivo = plivo().await;
    let app = App::new("demo", TOKEN)
        .set("require_idempotency_key", true)
        .set("relay_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .set("relay_allow", json!(["https://hooks.example.com"]));
    let sidecar = Sidecar::start(Setup::standard(&plivo).app(app)).await;
    let body = r#"{"to":"x","text":"","text":5,"callback_url":"https://other.example.com/"}"#;
    let of_body = [
        ("/to", "phone.not_e164"),
        ("/text", "body.duplicate_key"),
        ("/text", "body.wrong_type"),
        ("/callback_url", "relay.not_allowed"),
    ];
    let told = |answer: &Answer, also: Option<(&str, &str)>| {
        let found = faults(answer);
        let missing: Vec<_> = of_body
            .into_iter()
            .chain(also)
            .filter(|(at, code)| !found.contains(&((*at).to_owned(), (*code).to_owned())))
            .collect();
        assert!(missing.is_empty(), "without {missing:?}: {answer}");
    };

    let post = |key: Option<&str>| {
        let request = sidecar.post("/v1/messages").body(body);
        match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    };
    let keyed = post(Some("k")).answer().await;
    let without = post(None).answer().await;
    let empty = post(Some("")).answer().await;

    keyed.refused(400, "phone.not_e164");
    told(&keyed, None);
    told(&without, Some(("", "idem.key_required")));
    told(&empty, Some(("", "idem.bad_key")));
    let listed =
        json!({"to": ["x", TO], "text": "hi", "callback_url": "https://other.example.com/"});
    let listed = sidecar.post("/v1/messages").json(&listed).header("idempotency-key", "");
    let found = faults(&listed.answer().await);
    let wanted =
        [("/to/0", "phone.not_e164"), ("", "idem.bad_key"), ("/callback_url", "relay.not_allowed")];
    let mut missing = wanted
        .into_iter()
        .filter(|(at, code)| !found.contains(&((*at).to_owned(), (*code).to_owned())));
    assert_eq!(missing.next(), None, "{found:?}");
    let listed =
        json!({"to": [TO, "x"], "text": "hi", "callback_url": "https://other.example.com/"});
    let foreign = sidecar.post("/v1/messages").json(&listed).header("idempotency-key", "f");
    let found = faults(&foreign.answer().await);
    let wanted = [("/to/1", "phone.not_e164"), ("/callback_url", "relay.not_allowed")];
    assert_eq!(found, wanted.map(|(at, code)| (at.to_owned(), code.to_owned())));
    assert_eq!(plivo.sends().len(), 0);
    let good = sidecar.post("/v1/messages").json(&json!({"to": TO, "text": "hi"}));
    good.header("idempotency-key", "k").answer().await.expect(202);
    sidecar.stop().await;
}
