//! What an app tells of its recipients and of their users: time zones, addresses, conversions.

use serde_json::{Value, json};

use crate::harness::{Policy, Setup, Sidecar, TO, plivo};

#[tokio::test]
async fn the_recipients_time_zone_and_the_users_address_reach_policies_as_labels() {
    let plivo = plivo().await;
    // Never open, so that what decides is whether the zone is known.
    let quiet = Policy::new("quiet-hours").settings(json!({"hours": "00:00-24:00"}));
    let source = json!({"mode": "enforce", "source": {"quota": 1, "per_s": 3600}});
    let pumping = Policy::new("pumping").settings(source);
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(quiet).policy(pumping)).await;
    let send = async |extra: Value| {
        let mut body = json!({"to": TO, "text": "hi", "intent": "marketing"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        sidecar.send(&body).await
    };

    let sent = send(json!({"recipient_tz": "Asia/Tokyo", "end_user_ip": "203.0.113.7"})).await;
    let id = sent.expect(202)["id"].as_str().unwrap().to_owned();
    // UUIDs are read in either case (RFC 9562 section 4).
    let record = sidecar.get(&format!("/v1/messages/{}", id.to_uppercase())).await.expect(200);
    assert_eq!(record["id"], id, "{record}");
    let plivos = record["message_uuid"].as_str().unwrap().to_uppercase();
    let record = sidecar.get(&format!("/v1/messages/{plivos}")).await.expect(200);
    assert_eq!(record["id"], id, "{record}");
    assert_eq!(
        record["tags"],
        json!({"recipient_tz": "Asia/Tokyo", "end_user_ip": "203.0.113.7"}),
        "{record}"
    );
    let notes = record["decisions"].to_string();
    assert!(notes.contains("quiet-hours"), "{notes}");
    for spelled in ["203.0.113.7", "::ffff:203.0.113.7", "::FFFF:cb00:7107"] {
        send(json!({"end_user_ip": spelled})).await.refused(429, "fraud.source");
    }
    let tag = json!({"tags": {"recipient_tz": "Mars/Olympus"}});
    send(tag).await.refused(422, "quiet.zone_unknown");

    let wrong = send(json!({"recipient_tz": "Tokyo", "end_user_ip": "here"})).await;
    assert_eq!(wrong.status, 400);
    assert_eq!(wrong.codes(), ["body.bad_time_zone", "body.bad_time_zone", "body.bad_ip"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn the_limits_of_a_policy_that_only_monitors_are_in_no_header() {
    let plivo = plivo().await;
    let usual = Sidecar::start(Setup::new(&plivo).policy(Policy::new("pumping"))).await;
    let answer = usual.send(&json!({"to": TO, "text": "hi"})).await;
    answer.expect(202);
    assert_eq!(answer.header("ratelimit-policy"), None, "{answer}");
    let told = usual.post("/v1/explain").json(&json!({"to": TO, "text": "hi"})).answer().await;
    let limits = told.expect(200)["limits"].clone();
    let modes: Vec<&Value> =
        limits.as_array().unwrap().iter().map(|limit| &limit["mode"]).collect();
    assert!(!modes.is_empty() && modes.iter().all(|mode| **mode == "monitor"), "{limits}");
    usual.stop().await;

    let enforcing = Policy::new("pumping").settings(json!({"mode": "enforce"}));
    let enforcing = Sidecar::start(Setup::new(&plivo).policy(enforcing)).await;
    let answer = enforcing.send(&json!({"to": TO, "text": "hi"})).await;
    assert!(answer.header("ratelimit-policy").is_some(), "{answer}");
    enforcing.stop().await;
}

#[tokio::test]
async fn a_conversion_makes_room_for_the_next_code() {
    let plivo = plivo().await;
    let rule = json!({"mode": "enforce", "velocity": {"quota": 0, "run": 0},
                      "conversion": {"told": true, "hour": 1}});
    let pumping = Policy::new("pumping").settings(rule);
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(pumping)).await;
    let code =
        async |text: &str| sidecar.send(&json!({"to": TO, "text": text, "intent": "otp"})).await;

    let sent = code("code 1").await.expect(202);
    code("code 2").await.refused(429, "fraud.conversion");
    let id = sent["id"].as_str().unwrap();
    for told in [id, sent["message_uuid"].as_str().unwrap()] {
        let answer = sidecar.post(&format!("/v1/messages/{told}/converted")).answer().await;
        assert_eq!(answer.expect(200), json!({"id": id, "converted": true}));
    }
    code("code 3").await.expect(202);
    code("code 4").await.refused(429, "fraud.conversion");

    let told = || sidecar.post(&format!("/v1/messages/{id}/converted"));
    told().json(&json!({})).answer().await.expect(200);
    let more = told().json(&json!({"at": "noon"})).answer().await;
    assert_eq!(more.refused(400, "body.unknown_field")["errors"][0]["pointer"], "/at", "{more}");
    let form = told().header("content-type", "text/plain").body("yes").answer().await;
    form.refused(415, "body.content_type");
    let none = sidecar.post("/v1/messages/none/converted").answer().await;
    none.refused(404, "message.not_found");
    assert_eq!(sidecar.get(&format!("/v1/messages/{id}/converted")).await.status, 405);
    sidecar.stop().await;
}
