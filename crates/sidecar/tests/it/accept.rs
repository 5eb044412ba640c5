//! What an app gets for a message that is taken: an answer, a record, and one send.

use plivo_sim::{Authorization, Step};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{App, PATIENCE, Policy, SENDER, Setup, Sidecar, TO, TOKEN, plivo, texts};

#[tokio::test]
async fn a_text_reaches_plivo_once_and_its_uuid_comes_back() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let answer = sidecar.send(&json!({"to": TO, "text": "hi"})).await;

    let body = answer.expect(202);
    let [send] = &plivo.sends()[..] else { panic!("not one send: {:?}", plivo.sends().len()) };
    assert_eq!(body["status"], "submitted", "{body}");
    assert_eq!(body["message_uuid"], send.message_uuid.as_str(), "{body}");
    assert_eq!(body["segments"]["count"], 1, "{body}");
    assert_eq!((&body["warnings"], &body["transformations"]), (&json!([]), &json!([])), "{body}");
    assert_eq!(
        answer.header("location"),
        Some(format!("/v1/messages/{}", text(&body, "id")).as_str())
    );
    assert_eq!(
        (send.src.as_str(), send.dst.as_str(), send.text.as_str()),
        ("14155551212", "14155550123", "hi")
    );
    let [request] = &plivo.requests()[..] else {
        panic!("not one request: {:?}", plivo.requests())
    };
    assert_eq!(request.path, "/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/");
    assert_eq!(request.authorization, Authorization::Valid);
    sidecar.stop().await;
}

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
async fn several_recipients_get_a_message_and_a_verdict_each() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let to = json!(["+14155550101", "+989121234567", "nobody", "+14155550102", "+14155550101"]);

    let body = sidecar.send(&json!({"to": to, "text": "hi"})).await.expect(202);

    let messages = body["messages"].as_array().expect("a list");
    let verdicts: Vec<&str> = messages.iter().map(verdict).collect();
    let wanted =
        ["submitted", "country.hard_denied", "phone.not_e164", "submitted", "phone.repeated"];
    assert_eq!(verdicts, wanted, "{body:#}");
    assert_eq!(messages[0]["to"], "+14155550101");
    let pointers = messages.iter().map(|entry| &entry["problem"]["errors"][0]["pointer"]);
    let places: Vec<Option<&str>> = pointers.map(|pointer| pointer.as_str()).collect();
    assert_eq!(places, [None, None, Some("/to/2"), None, Some("/to/4")], "{body:#}");
    let mut handsets: Vec<String> = plivo.sends().into_iter().map(|send| send.dst).collect();
    handsets.sort();
    assert_eq!(handsets, ["14155550101", "14155550102"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn where_every_recipient_is_refused_the_answer_is_the_first_refusal() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let body = sidecar
        .send(&json!({"to": ["+989121234567", "+37744123456x"], "text": "hi"}))
        .await
        .expect(403);

    assert_eq!(body["messages"].as_array().map(Vec::len), Some(2), "{body}");
    assert_eq!(plivo.sends().len(), 0);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_a_policy_finds_of_one_in_a_list_points_at_that_one() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let to = json!(["+14155550123", "+14151110123", "+19005551212"]);
    let body = sidecar.send(&json!({"to": to, "text": "hi"})).await.expect(202);

    for (nth, code) in [(1, "phone.invalid"), (2, "phone.type_denied")] {
        let error = &body["messages"][nth]["problem"]["errors"][0];
        let place = format!("/to/{nth}");
        assert_eq!(
            (error["code"].as_str(), error["pointer"].as_str()),
            (Some(code), Some(&*place))
        );
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_thousand_recipients_are_sent_to_once_each() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let to: Vec<String> = (0..1_000).map(|nth| format!("+1415555{nth:04}")).collect();

    let body = sidecar.send(&json!({"to": to, "text": "hi"})).await.expect(202);

    let messages = body["messages"].as_array().expect("a list");
    let asked: Vec<&str> = messages.iter().filter_map(|message| message["to"].as_str()).collect();
    assert_eq!(asked, to, "the answer keeps the order of the request");
    plivo.wait_for_sends(1_000, PATIENCE).await.unwrap();
    let mut handsets: Vec<String> =
        plivo.sends().into_iter().map(|send| format!("+{}", send.dst)).collect();
    handsets.sort();
    assert_eq!(handsets, to);
    sidecar.stop().await;
}

#[tokio::test]
async fn where_too_many_messages_wait_the_next_is_not_taken() {
    let plivo = plivo().await;
    let one = json!({"limits": [{"name": "app", "scope": "app", "quota": 2, "per_s": 3600}]});
    let setup = Setup::standard(&plivo)
        .set("delivery.scheduled_max", 1)
        .policy(Policy::new("throttle").settings(one));
    let sidecar = Sidecar::start(setup).await;
    let in_an_hour = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let later = json!({"to": TO, "text": "later", "not_before": in_an_hour.to_string()});
    let id = sidecar.queue(&later).await;
    sidecar.record(&id, |record| record["status"] == "waiting").await;

    for _ in 0..3 {
        let answer = sidecar.send(&later).await;
        answer.refused(503, "spool.full");
        assert!(answer.header("retry-after").is_some(), "{answer}");
    }

    assert_eq!(plivo.requests().len(), 0);
    // Had the refused ones been charged, the limit would refuse this one; those for later take no room of its.
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn messages_for_tomorrow_keep_no_code_of_another_app_from_being_sent() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo)
        .set("delivery.queue_max", 3)
        .set("delivery.scheduled_max", 6)
        .app(App::new("bank", "token-of-bank"));
    let sidecar = Sidecar::start(setup).await;
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    for nth in 0..4 {
        let to = format!("+1415555{nth:04}");
        let later = json!({"to": to, "text": "later", "not_before": tomorrow.to_string()});
        let request = sidecar.post("/v1/messages").header("prefer", "wait=0").json(&later);
        let answer = request.answer().await;
        match nth {
            3 => answer.refused(503, "spool.full"),
            _ => answer.expect(202),
        };
    }

    let code = json!({"to": TO, "text": "code 1234", "intent": "otp"});
    let request = sidecar.post("/v1/messages").bearer("token-of-bank").json(&code);
    request.answer().await.expect(202);

    assert_eq!(texts(&plivo), ["code 1234"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn one_app_leaves_half_of_the_room_to_the_others() {
    let plivo = plivo().await;
    plivo.script(std::iter::repeat_n(Step::hold(), 3)).await;
    let setup =
        Setup::new(&plivo).set("delivery.queue_max", 4).app(App::new("bank", "token-of-bank"));
    let sidecar = Sidecar::start(setup).await;
    let ask = |token: &str, to: &str| {
        let body = json!({"to": to, "text": "hi"});
        let request = sidecar.post("/v1/messages").bearer(token).header("prefer", "wait=0");
        request.json(&body).answer()
    };
    for (nth, status) in [202, 202, 503, 503].into_iter().enumerate() {
        ask(TOKEN, &format!("+1415555{nth:04}")).await.expect(status);
    }

    ask("token-of-bank", TO).await.expect(202);

    plivo.release();
    plivo.wait_for_sends(3, PATIENCE).await.unwrap();
    sidecar.stop().await;
}

#[tokio::test]
async fn requests_that_come_at_once_take_together_no_more_than_may_be_under_way() {
    let plivo = plivo().await;
    plivo.script(std::iter::repeat_n(Step::hold(), 5)).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.queue_max", 5)).await;
    let mut asked = JoinSet::new();
    for nth in 0..40 {
        let message = json!({"to": format!("+1415555{nth:04}"), "text": "hi"});
        let request = sidecar.post("/v1/messages").header("prefer", "wait=0").json(&message);
        asked.spawn(request.answer());
    }

    let answers = asked.join_all().await;

    let (taken, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 202);
    assert_eq!(taken.len(), 5, "of 40, of which {} were refused", refused.len());
    for answer in &refused {
        answer.refused(503, "spool.full");
    }
    plivo.release();
    for answer in &taken {
        sidecar.in_status(&text(&answer.json(), "id"), "submitted").await;
    }
    sidecar.send(&json!({"to": TO, "text": "there is room again"})).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn of_a_list_longer_than_may_be_under_way_the_rest_is_refused_and_the_key_holds_all_of_it() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.queue_max", 4)).await;
    let to: Vec<String> = (0..6).map(|nth| format!("+1415555{nth:04}")).collect();
    let body = json!({"to": to, "text": "hi"});
    let ask = || sidecar.post("/v1/messages").key("k1").json(&body).answer();

    let first = ask().await;

    let answered = first.expect(202)["messages"].clone();
    let (taken, refused): (Vec<&Value>, Vec<&Value>) = answered
        .as_array()
        .expect("a list")
        .iter()
        .partition(|message| message["status"] != "refused");
    assert_eq!((taken.len(), refused.len()), (4, 2), "{first}");
    for message in refused {
        assert_eq!(message["problem"]["code"], "spool.full", "{first}");
    }
    let mut asked: Vec<&str> = taken.iter().filter_map(|message| message["to"].as_str()).collect();
    asked.sort_unstable();
    let mut handsets: Vec<String> =
        plivo.sends().into_iter().map(|send| format!("+{}", send.dst)).collect();
    handsets.sort();
    assert_eq!(handsets, asked);
    let again = ask().await;
    assert_eq!((&again.text, again.header("idempotent-replayed")), (&first.text, Some("true")));
    assert_eq!(plivo.sends().len(), 4);
    sidecar.send(&json!({"to": TO, "text": "there is room again"})).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn media_go_by_url_and_by_id_in_the_order_given() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let urls = ["https://cdn.example.com/b.png", "https://cdn.example.com/a.jpg"];
    let request = json!({"to": TO, "text": "look", "media_urls": urls, "media_ids": ["801c2056-33ab-499c-80ef-58b574a462a2"]});

    let body = sidecar.send(&request).await.expect(202);

    let send = &plivo.sends()[0];
    assert_eq!((body["type"].as_str(), send.kind.as_str()), (Some("mms"), "mms"));
    assert_eq!(send.media_urls, urls);
    assert_eq!(send.media_ids, ["801c2056-33ab-499c-80ef-58b574a462a2"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn an_app_that_prefers_not_to_wait_is_answered_before_plivo_answers() {
    let plivo = plivo().await;
    // An answer that waited would come when the call is given up, and say so.
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.wait_ms", 60_000)).await;
    for (nth, prefer) in
        ["respond-async", "respond-async; q", "wait=\"0\"", "foo=\"a, b\", Wait = 0; strict"]
            .into_iter()
            .enumerate()
    {
        plivo.script([Step::hold()]).await;
        let request = sidecar.post("/v1/messages").header("prefer", prefer);
        let said = json!({"to": TO, "text": format!("hi {nth}")});
        let answer = request.json(&said).answer().await;

        let body = answer.expect(202);
        assert_eq!((&body["message_uuid"], &body["status"]), (&Value::Null, &json!("queued")));
        assert!(answer.header("location").is_some(), "{answer}");
        plivo.wait_for_requests(nth + 1, PATIENCE).await.unwrap();
        plivo.release();
        let id = text(&body, "id");
        let record = sidecar.record(&id, |record| record["status"] == "submitted").await;
        assert_eq!(record["message_uuid"], plivo.sends()[nth].message_uuid.as_str());
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn where_plivo_is_slow_the_answer_waits_no_longer_than_configured() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("delivery.wait_ms", 100)).await;

    let body = sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

    assert_eq!(body["message_uuid"], Value::Null, "{body}");
    let record = sidecar.get(&format!("/v1/messages/{}", text(&body, "id"))).await.expect(200);
    assert_eq!(record["status_simple"], "queued", "{record}");
    plivo.release();
    sidecar.record(&text(&body, "id"), |record| record["status"] == "submitted").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_message_for_later_waits_for_its_time() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let in_an_hour = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);

    let request = json!({"to": TO, "text": "hi", "not_before": in_an_hour.to_string()});
    let body = sidecar
        .post("/v1/messages")
        .header("prefer", "wait=0")
        .json(&request)
        .answer()
        .await
        .expect(202);

    sidecar.record(&text(&body, "id"), |record| record["status"] == "waiting").await;
    assert_eq!(plivo.sends().len(), 0);
    assert_eq!(sidecar.ready().await.expect(200)["waiting"], 1);
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
async fn the_seeds_door_takes_the_seeds_form_and_answers_with_a_uuid() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let request =
        json!({"recipient": TO, "message": "hi", "mediaUrls": ["https://cdn.example.com/a.jpg"]});

    let body = sidecar.post("/mms/send").json(&request).answer().await.expect(202);

    let send = &plivo.sends()[0];
    assert_eq!((send.kind.as_str(), send.text.as_str()), ("mms", "hi"));
    assert_eq!(body["messageUuid"], send.message_uuid.as_str(), "{body}");
    assert_eq!(body["statusCode"], 202, "{body}");
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

/// A member that is a string.
fn text(body: &Value, member: &str) -> String {
    body[member].as_str().unwrap_or_else(|| panic!("no {member} in {body}")).to_owned()
}

/// A message's status, or the code of its refusal.
fn verdict(message: &Value) -> &str {
    let code = message["problem"]["code"].as_str();
    code.or(message["status"].as_str()).expect("a verdict")
}
