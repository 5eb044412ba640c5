//! One key, one send: replays, conflicts, and what does not bind a key.

use plivo_sim::Step;
use serde_json::{Value, json};

use crate::harness::{Answer, App, PATIENCE, Policy, Setup, Sidecar, TO, TOKEN, plivo, texts};

async fn keyed(sidecar: &Sidecar, key: &str, body: &Value) -> Answer {
    sidecar.post("/v1/messages").key(key).json(body).answer().await
}

#[tokio::test]
async fn a_repeated_request_gets_its_first_answer_again_and_sends_nothing() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let request = json!({"to": TO, "text": "hi"});
    let first = keyed(&sidecar, "k1", &request).await;
    first.expect(202);

    for key in ["k1", "\"k1\"", " k1 "] {
        let again = keyed(&sidecar, key, &request).await;
        assert_eq!((again.status, &again.text), (first.status, &first.text), "{key}");
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again}");
        assert_eq!(again.header("location"), first.header("location"));
    }

    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused_and_the_fields_are_named_without_their_values()
 {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    keyed(&sidecar, "k1", &json!({"to": TO, "text": "hi", "intent": "otp"})).await.expect(202);

    let other = json!({"to": "+14155550199", "text": "the password is swordfish", "intent": "otp"});
    let answer = keyed(&sidecar, "k1", &other).await;

    let body = answer.refused(422, "idem.mismatch");
    let pointers: Vec<&Value> =
        body["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/to", "/text"]);
    for error in body["errors"].as_array().unwrap() {
        assert!(
            error["detail"].as_str().is_some_and(|said| said.starts_with("is not what ")),
            "{error}"
        );
    }
    assert!(!answer.text.contains("swordfish") && !answer.text.contains("4155550199"), "{answer}");
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_means_the_same_is_the_same_request_and_what_is_malformed_is_none() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let with = |more: &Value| {
        let mut body = json!({"to": TO, "text": "hi", "not_before": "2026-01-01T00:00:00Z"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let first = keyed(&sidecar, "k1", &with(&json!({}))).await;
    first.expect(202);

    for same in [
        json!({"not_before": "2026-01-01T00:00:00.000+00:00"}),
        json!({"type": "sms"}),
        json!({"tags": {"try": "2"}, "dedup": "off"}),
    ] {
        let again = keyed(&sidecar, "k1", &with(&same)).await;
        assert_eq!((again.status, &again.text), (202, &first.text), "{same}");
    }
    for (other, pointer) in [
        (json!({"type": "mms"}), "/type"),
        (json!({"not_before": "2026-01-01T00:00:01Z"}), "/not_before"),
    ] {
        let body = keyed(&sidecar, "k1", &with(&other)).await.refused(422, "idem.mismatch");
        assert_eq!(body["errors"][0]["pointer"], pointer, "{body}");
    }
    for (malformed, code) in [
        (json!({"recipient_tz": "Mars/X"}), "body.bad_time_zone"),
        (json!({"dedup": "maybe"}), "body.bad_dedup"),
        (json!({"tags": 7}), "body.wrong_type"),
    ] {
        keyed(&sidecar, "k1", &with(&malformed)).await.refused(400, code);
    }
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn where_no_more_keys_may_be_kept_another_one_is_turned_away_until_the_next_ends() {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo).set("store.max_keys", 1).set("store.key_retention_h", 2);
    let sidecar = Sidecar::start(setup).await;
    let request = json!({"to": TO, "text": "hi"});
    keyed(&sidecar, "k1", &request).await.expect(202);

    let refused = keyed(&sidecar, "k2", &request).await;

    refused.refused(503, "idem.full");
    let wait: u64 = refused.header("retry-after").expect("a time").parse().unwrap();
    assert!((2 * 3_600..=6 * 3_600).contains(&wait), "{refused}");
    assert_eq!(plivo.sends().len(), 1);
    keyed(&sidecar, "k1", &request).await.expect(202);
    let told = |events: &[Value]| {
        let text = |event: &Value| {
            event["message"].as_str().is_some_and(|said| said.contains("fill their room"))
        };
        events.iter().any(text).then_some(())
    };
    sidecar.log.wait_for("the room for keys is told", told).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn what_changes_no_handsets_message_is_the_same_request() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let url = "https://cdn.example.com/a.jpg";
    keyed(&sidecar, "k1", &json!({"to": TO, "text": "hi", "media_urls": [url]})).await.expect(202);

    let body = format!(
        r#"{{ "tags": {{"try": "2"}}, "media_urls": ["{url}#part"],
              "text": "\u0068i", "to": "{TO}", "from": null }}"#
    );
    let again = sidecar.post("/v1/messages").key("k1").body(body).answer().await;

    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again}");
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn the_same_recipients_in_a_list_are_one_request_and_every_message_is_replayed() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let request = json!({"to": ["+14155550101", "+14155550102"], "text": "hi"});
    let first = keyed(&sidecar, "k1", &request).await;

    let again = keyed(&sidecar, "k1", &request).await;

    assert_eq!(again.text, first.text);
    assert_eq!(plivo.sends().len(), 2);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_refused_request_binds_no_key() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(Policy::new("dedup"))).await;
    keyed(&sidecar, "malformed", &json!({"to": "x", "text": "hi"}))
        .await
        .refused(400, "phone.not_e164");
    keyed(&sidecar, "denied", &json!({"to": "+989121234567", "text": "hi"}))
        .await
        .refused(403, "country.hard_denied");

    for key in ["malformed", "denied"] {
        let answer = keyed(&sidecar, key, &json!({"to": TO, "text": key})).await;
        answer.expect(202);
        assert_eq!(answer.header("idempotent-replayed"), None, "{answer}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_replay_costs_no_quota_and_is_no_repeat() {
    let plivo = plivo().await;
    let one = json!({"limits": [{"name": "app", "scope": "app", "quota": 1, "per_s": 3600}]});
    let setup = Setup::standard(&plivo)
        .policy(Policy::new("dedup"))
        .policy(Policy::new("throttle").settings(one));
    let sidecar = Sidecar::start(setup).await;
    let request = json!({"to": TO, "text": "hi"});
    keyed(&sidecar, "k1", &request).await.expect(202);

    for _ in 0..3 {
        keyed(&sidecar, "k1", &request).await.expect(202);
    }
    sidecar.send(&json!({"to": TO, "text": "another"})).await.refused(429, "throttle.app");
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_request_in_flight_is_joined() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.join_ms", 60_000)).await;
    let request = json!({"to": TO, "text": "hi"});
    let ask = || tokio::spawn(sidecar.post("/v1/messages").key("k1").json(&request).answer());
    let first = ask();
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();

    let second = ask();
    plivo.release();

    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!(second.expect(202), first.expect(202));
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn another_request_under_a_key_in_flight_is_told_at_once() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.join_ms", 60_000)).await;
    let request = sidecar.post("/v1/messages").key("k1").json(&json!({"to": TO, "text": "hi"}));
    let first = tokio::spawn(request.answer());
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();

    let other = keyed(&sidecar, "k1", &json!({"to": TO, "text": "something else"})).await;

    other.refused(422, "idem.mismatch");
    plivo.release();
    first.await.unwrap().expect(202);
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn whoever_hung_up_gets_the_answer_by_asking_again() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.join_ms", 60_000)).await;
    let body = json!({"to": TO, "text": "hi"});
    let request = sidecar.post("/v1/messages").key("k1").json(&body);
    let impatient = tokio::spawn(request.answer());
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();
    impatient.abort();
    assert!(impatient.await.is_err_and(|err| err.is_cancelled()));

    plivo.release();
    let answer = keyed(&sidecar, "k1", &body).await;

    assert_eq!(answer.expect(202)["message_uuid"], plivo.sends()[0].message_uuid.as_str());
    assert_eq!(answer.header("idempotent-replayed"), Some("true"), "{answer}");
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_key_is_given_once_and_where_an_app_must_give_one_its_absence_is_refused() {
    let plivo = plivo().await;
    let app = App::new("demo", TOKEN).set("require_idempotency_key", true);
    let sidecar = Sidecar::start(Setup::standard(&plivo).app(app)).await;
    let request = json!({"to": TO, "text": "hi"});

    sidecar.send(&request).await.refused(400, "idem.key_required");
    let twice = sidecar.post("/v1/messages").key("k1").header_again("idempotency-key", "k1");
    twice.json(&request).answer().await.refused(400, "idem.bad_key");
    keyed(&sidecar, "", &request).await.refused(400, "idem.bad_key");
    assert_eq!(plivo.sends().len(), 0);
    keyed(&sidecar, "k1", &request).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_plivo_refused_is_replayed_too_since_the_message_was_ours() {
    let plivo = plivo().await;
    plivo.script([Step::status(400)]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let request = json!({"to": TO, "text": "hi"});
    let first = keyed(&sidecar, "k1", &request).await;

    let again = keyed(&sidecar, "k1", &request).await;

    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert!(first.status >= 400, "{first}");
    assert_eq!(plivo.requests().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_key_under_which_nothing_was_sent_is_free_though_its_request_was_answered_202() {
    let plivo = plivo().await;
    plivo.script([Step::status(503)]).await;
    let setup = Setup::standard(&plivo).durable().set("plivo.attempts", 1);
    let sidecar = Sidecar::start(setup).await;
    let body = json!({"to": TO, "text": "hi"});
    let asked = sidecar.post("/v1/messages").key("k1").header("prefer", "respond-async");
    let first = asked.json(&body).answer().await.expect(202);
    sidecar.in_status(first["id"].as_str().unwrap(), "failed").await;

    let again = keyed(&sidecar, "k1", &body).await;

    assert_ne!(again.expect(202)["id"], first["id"]);
    assert_eq!(again.header("idempotent-replayed"), None, "{again}");
    let third = keyed(&sidecar, "k1", &body).await;
    assert_eq!((third.expect(202), texts(&plivo)), (again.expect(202), vec!["hi".to_owned()]));
    sidecar.stop().await;
}

#[tokio::test]
async fn an_answer_that_another_message_stands_for_is_replayed_under_its_key_over_a_restart_too() {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo).durable().policy(Policy::new("dedup"));
    let sidecar = Sidecar::start(setup.clone()).await;
    let body = json!({"to": TO, "text": "sale", "intent": "marketing"});
    let first = keyed(&sidecar, "k1", &body).await.expect(202);
    let other = keyed(&sidecar, "k2", &body).await;
    assert_eq!(other.expect(202)["id"], first["id"], "coalesced");
    assert_eq!(other.header("idempotent-replayed"), None, "{other}");

    let folder = sidecar.kill().await;
    let sidecar = Sidecar::start_in(folder, setup).await;

    let again = keyed(&sidecar, "k2", &body).await;
    assert_eq!((again.status, &again.text), (other.status, &other.text));
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again}");
    let another = json!({"to": TO, "text": "another sale", "intent": "marketing"});
    keyed(&sidecar, "k2", &another).await.refused(422, "idem.mismatch");
    assert_eq!(texts(&plivo), ["sale"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_list_of_one_is_another_request_than_the_number_alone() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    keyed(&sidecar, "k1", &json!({"to": TO, "text": "hi"})).await.expect(202);

    let listed = keyed(&sidecar, "k1", &json!({"to": [TO], "text": "hi"})).await;

    let body = listed.refused(422, "idem.mismatch");
    assert_eq!(body["errors"][0]["pointer"], "/to", "{listed}");
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn another_spelling_of_a_number_is_the_same_request_only_for_an_app_that_may_use_it() {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo);
    let spelled = json!({"to": "+1 (415) 555-0123", "text": "hi"});
    for (phone, status) in [("strict", 422), ("lenient", 202)] {
        let app = App::new("demo", TOKEN).set("phone", phone);
        let sidecar = Sidecar::start(setup.clone().app(app)).await;
        let first = keyed(&sidecar, "k1", &json!({"to": TO, "text": "hi"})).await;
        first.expect(202);

        let again = keyed(&sidecar, "k1", &spelled).await;

        assert_eq!(again.status, status, "{phone}: {again}");
        assert_eq!(again.text == first.text, status == 202, "{phone}: {again}");
        sidecar.stop().await;
    }
    assert_eq!(plivo.sends().len(), 2);
}

#[tokio::test]
async fn whoever_asks_for_what_a_key_stands_for_is_never_told_that_it_is_anothers() {
    let plivo = plivo().await;
    let country = Policy::new("country").settings(json!({"deny": ["FR"]}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(country)).await;
    let (good, other) = (json!({"to": TO, "text": "good"}), json!({"to": TO, "text": "other"}));
    let denied = json!({"to": "+33612345678", "text": "good"});
    for round in 0..5 {
        let (bound, free) = (format!("bound {round}"), format!("free {round}"));
        let first = keyed(&sidecar, &bound, &good).await.expect(202);
        let ask = |key: &str, body: &Value| {
            tokio::spawn(sidecar.post("/v1/messages").key(key).json(body).answer())
        };
        let mut asked = Vec::new();
        for _ in 0..8 {
            drop(ask(&bound, &other));
            drop(ask(&free, &denied));
            asked.push((ask(&bound, &good), Some(&first)));
            asked.push((ask(&free, &good), None));
        }
        for (answer, wanted) in asked {
            let answer = answer.await.unwrap().expect(202);
            assert!(wanted.is_none_or(|first| *first == answer), "{answer}");
        }
    }
    sidecar.stop().await;
}
