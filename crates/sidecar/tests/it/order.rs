//! Whose turn it is when Plivo is slow, or comes back.

use std::collections::BTreeMap;

use plivo_sim::{Outage, PlivoSim, Step};
use serde_json::{Value, json};

use crate::harness::{App, PATIENCE, Setup, Sidecar, TO, eventually, plivo, posts, texts};

/// One call at a time, and apps that share it.
fn narrow(plivo: &PlivoSim) -> Setup {
    Setup::new(plivo)
        .set("plivo.max_connections", 1)
        .set("plivo.call_timeout_ms", 120_000)
        .app(App::new("promo", "token-of-promo"))
        .app(App::new("shop", "token-of-shop"))
}

/// Queues a message of `app`, and waits until it waits for its turn.
async fn queue(sidecar: &Sidecar, app: &str, body: &Value) -> String {
    let request = sidecar.post("/v1/messages").bearer(&format!("token-of-{app}"));
    let answer = request.header("prefer", "respond-async").json(body).answer().await.expect(202);
    let id = answer["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/messages/{id}");
    let waits = async || {
        let request = sidecar.request("GET", &path).bearer(&format!("token-of-{app}"));
        (request.answer().await.expect(200)["status"] == "waiting").then_some(())
    };
    eventually("it waits for its turn", waits).await;
    id
}

/// Occupies the only call until it is released.
async fn occupied(plivo: &PlivoSim, sidecar: &Sidecar) {
    plivo.script([Step::hold()]).await;
    sidecar.queue(&json!({"to": "+14155550100", "text": "occupies"})).await;
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_one_time_code_comes_first_then_notifications_and_then_apps_share_evenly() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(narrow(&plivo)).await;
    occupied(&plivo, &sidecar).await;
    for nth in 0..12 {
        let to = format!("+1415555{:04}", 200 + nth);
        queue(&sidecar, "promo", &json!({"to": to, "text": format!("promo {nth}")})).await;
    }
    for nth in 0..4 {
        let to = format!("+1415555{:04}", 300 + nth);
        queue(&sidecar, "shop", &json!({"to": to, "text": format!("shop {nth}")})).await;
    }
    let notice = json!({"to": "+14155550401", "text": "notice", "intent": "notification"});
    queue(&sidecar, "promo", &notice).await;
    queue(&sidecar, "shop", &json!({"to": TO, "text": "code", "intent": "otp"})).await;

    plivo.release();

    let sends = plivo.wait_for_sends(19, PATIENCE).await.unwrap();
    let texts: Vec<&str> = sends.iter().map(|send| send.text.as_str()).collect();
    assert_eq!(texts[..3], ["occupies", "code", "notice"]);
    let mut shares: BTreeMap<&str, usize> = BTreeMap::new();
    for text in &texts[3..11] {
        *shares.entry(text.split(' ').next().unwrap()).or_default() += 1;
    }
    assert_eq!(shares, BTreeMap::from([("promo", 4), ("shop", 4)]), "{texts:?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn of_the_few_that_go_after_an_outage_a_code_is_the_first_and_apps_share_the_rest() {
    let plivo = plivo().await;
    plivo.fail(Outage::Refuse).await;
    let setup = Setup::new(&plivo)
        .set("delivery.breaker", json!({"failures": 1, "open_s": 1, "open_max_s": 1}))
        .app(App::new("promo", "token-of-promo"))
        .app(App::new("shop", "token-of-shop"));
    let sidecar = Sidecar::start(setup).await;
    sidecar.queue(&json!({"to": "+14155550100", "text": "finds out"})).await;
    let open = async || (sidecar.ready().await.json()["plivo"]["breaker"] == "open").then_some(());
    eventually("the breaker is open", open).await;
    for nth in 0..12 {
        let to = format!("+1415555{:04}", 200 + nth);
        queue(&sidecar, "promo", &json!({"to": to, "text": format!("promo {nth}")})).await;
    }
    for nth in 0..4 {
        let to = format!("+1415555{:04}", 300 + nth);
        queue(&sidecar, "shop", &json!({"to": to, "text": format!("shop {nth}")})).await;
    }
    let notice = json!({"to": "+14155550401", "text": "notice", "intent": "notification"});
    queue(&sidecar, "promo", &notice).await;
    queue(&sidecar, "shop", &json!({"to": TO, "text": "code", "intent": "otp"})).await;

    plivo.restore().await;

    let sends = plivo.wait_for_sends(19, PATIENCE).await.unwrap();
    let texts: Vec<&str> = sends.iter().map(|send| send.text.as_str()).collect();
    // Rounds of one, two and four, inside which nothing has an order.
    assert_eq!(texts[0], "code", "{texts:?}");
    assert!(texts[1..3].contains(&"notice"), "{texts:?}");
    let of_shop = texts[..7].iter().filter(|text| text.starts_with("shop")).count();
    assert!(of_shop >= 2, "shop had {of_shop} of the first: {texts:?}");
    sidecar.stop().await;
}

#[tokio::test]
async fn inside_an_app_the_nearest_deadline_comes_first() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(narrow(&plivo)).await;
    occupied(&plivo, &sidecar).await;
    for (nth, ttl) in [3_000, 1_000, 2_000].into_iter().enumerate() {
        let to = format!("+1415555{:04}", 200 + nth);
        queue(&sidecar, "promo", &json!({"to": to, "text": ttl.to_string(), "ttl_s": ttl})).await;
    }

    plivo.release();

    plivo.wait_for_sends(4, PATIENCE).await.unwrap();
    assert_eq!(texts(&plivo), ["occupies", "1000", "2000", "3000"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn the_order_to_one_recipient_is_kept_over_a_retry_while_others_go_on() {
    let plivo = plivo().await;
    plivo.script([Step::status(503).with_header("Retry-After", "1")]).await;
    let sidecar = Sidecar::start(Setup::new(&plivo)).await;
    let mut ids = vec![sidecar.queue(&json!({"to": TO, "text": "n0"})).await];
    sidecar.in_status(&ids[0], "retry_wait").await;
    for nth in 1..5 {
        ids.push(sidecar.queue(&json!({"to": TO, "text": format!("n{nth}")})).await);
    }

    let other = sidecar.send(&json!({"to": "+14155550199", "text": "other"})).await.expect(202);

    assert_eq!(other["status"], "submitted", "{other}");
    for id in &ids {
        sidecar.in_status(id, "submitted").await;
    }
    assert_eq!(texts(&plivo), ["other", "n0", "n1", "n2", "n3", "n4"]);
    assert_eq!(posts(&plivo).len(), 7);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_message_in_doubt_holds_up_no_other_to_its_recipient() {
    let plivo = plivo().await;
    plivo.script([Step::status(500).queued()]).await;
    let setup = Setup::new(&plivo).set("delivery.settle_s", json!([600]));
    let sidecar = Sidecar::start(setup).await;
    let first = sidecar.queue(&json!({"to": TO, "text": "first"})).await;
    sidecar.in_status(&first, "in_doubt").await;

    let second = sidecar.send(&json!({"to": TO, "text": "second"})).await.expect(202);

    assert_eq!(second["status"], "submitted", "{second}");
    sidecar.in_status(&first, "in_doubt").await;
    sidecar.stop().await;
}

#[tokio::test]
async fn messages_of_one_instant_to_one_recipient_keep_their_order_also_over_a_restart() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).durable();
    let sidecar = Sidecar::start(setup.clone()).await;
    let put_off = async |sidecar: &Sidecar, text: String, at: jiff::Timestamp| {
        sidecar.queue(&json!({"to": TO, "text": text, "not_before": at.to_string()})).await
    };
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3);
    for nth in 0..5 {
        put_off(&sidecar, format!("n{nth}"), soon).await;
    }
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, setup).await;
    for nth in 5..10 {
        put_off(&sidecar, format!("n{nth}"), soon).await;
    }

    plivo.wait_for_sends(10, PATIENCE).await.unwrap();
    assert_eq!(texts(&plivo), ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn after_a_restart_one_whose_time_came_meanwhile_goes_after_those_that_came_before_it() {
    let plivo = plivo().await;
    plivo.fail(Outage::Refuse).await;
    let breaker = json!({"failures": 1, "open_s": 600, "open_max_s": 600});
    let setup = Setup::new(&plivo).durable().set("delivery.breaker", breaker);
    let sidecar = Sidecar::start(setup.clone()).await;
    // Nothing is on its way at the kill, so nothing is in doubt after it.
    sidecar.queue(&json!({"to": "+14155550100", "text": "finds out"})).await;
    let open = async || (sidecar.ready().await.json()["plivo"]["breaker"] == "open").then_some(());
    eventually("the breaker is open", open).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let later = json!({"to": TO, "text": "put off", "not_before": soon.to_string()});
    let mut ids = vec![sidecar.queue(&later).await];
    for text in ["at once", "at once, too"] {
        ids.push(sidecar.queue(&json!({"to": TO, "text": text})).await);
    }
    let folder = sidecar.kill().await;
    let is_over = async || (jiff::Timestamp::now() > soon).then_some(());
    eventually("its time has come", is_over).await;
    plivo.restore().await;

    let sidecar = Sidecar::start_in(folder, setup).await;

    for id in &ids {
        sidecar.in_status(id, "submitted").await;
    }
    let to_one: Vec<String> =
        texts(&plivo).into_iter().filter(|text| text != "finds out").collect();
    assert_eq!(to_one, ["at once", "at once, too", "put off"]);
    sidecar.stop().await;
}
