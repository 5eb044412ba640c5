//! Limits that queue are kept when messages are sent, not when they are accepted.

use std::time::Duration;

use plivo_sim::{Outage, PlivoSim, Step};
use serde_json::{Value, json};

use crate::harness::{App, PATIENCE, Policy, Setup, Sidecar, TO, eventually, plivo, texts};
use crate::reload::applied;

/// Between two sends at [`four_a_second`].
const SLOT: Duration = Duration::from_millis(250);

/// How much later than its turn comes a call may begin, on a machine that is busy.
const SLACK: Duration = Duration::from_millis(125);

fn paced(quota: u32, per_s: u32) -> Policy {
    let limit = json!({
        "name": "sender", "scope": "sender", "kind": "gcra", "quota": quota, "per_s": per_s, "on_limit": "queue",
    });
    Policy::new("throttle").settings(json!({"limits": [limit]}))
}

fn four_a_second() -> Policy {
    paced(4, 1)
}

/// A breaker that soon tries again.
fn breaker() -> Value {
    json!({"failures": 1, "open_s": 1, "open_max_s": 1})
}

/// Ids of so many messages to different numbers, that wait for a Plivo that is away.
async fn piled_up(sidecar: &Sidecar, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for nth in 0..count {
        let to = format!("+1415555{nth:04}");
        ids.push(sidecar.queue(&json!({"to": to, "text": format!("n{nth}")})).await);
    }
    let all = async || {
        let ready = sidecar.ready().await.json();
        (ready["waiting"] == count && ready["plivo"]["breaker"] == "open").then_some(())
    };
    eventually("all wait, and the breaker is open", all).await;
    ids
}

/// Each of these messages was sent, once, and their last calls began no faster than their limit lets them.
async fn left_evenly(sidecar: &Sidecar, plivo: &PlivoSim, ids: &[String]) {
    plivo.wait_for_sends(ids.len(), PATIENCE).await.unwrap();
    assert_eq!(plivo.sends().len(), ids.len(), "{:?}", texts(plivo));
    let mut calls: Vec<jiff::Timestamp> = Vec::new();
    for id in ids {
        let record = sidecar.admin(&format!("/messages/{id}")).await.expect(200);
        let last = record["attempts"].as_array().and_then(|calls| calls.last());
        let started = last.and_then(|last| last["started_at"].as_str());
        calls.push(started.and_then(|at| at.parse().ok()).unwrap_or_else(|| panic!("{record}")));
    }
    calls.sort();
    let after = |call: &jiff::Timestamp| call.duration_since(calls[0]).unsigned_abs();
    let offsets: Vec<Duration> = calls.iter().map(after).collect();
    for (nth, offset) in (0_u32..).zip(&offsets) {
        assert!(*offset + SLACK >= SLOT * nth, "number {nth} left too soon: {offsets:?}");
    }
}

#[tokio::test]
async fn after_an_outage_what_piled_up_leaves_as_its_limit_lets_it() {
    let plivo = plivo().await;
    plivo.fail(Outage::Refuse).await;
    let setup = Setup::new(&plivo).set("delivery.breaker", breaker()).policy(four_a_second());
    let sidecar = Sidecar::start(setup).await;
    let ids = piled_up(&sidecar, 7).await;

    plivo.restore().await;

    left_evenly(&sidecar, &plivo, &ids).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn a_limit_that_a_reload_lowered_holds_for_what_was_put_off_before_it() {
    let plivo = plivo().await;
    let setup = |pace| Setup::new(&plivo).set("reload.poll_ms", 100).policy(pace);
    let sidecar = Sidecar::start(setup(paced(100, 1))).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(5);
    let put_off = async |nth: u32, to: jiff::Timestamp| {
        let number = format!("+1415555{nth:04}");
        let not_before = to.to_string();
        let body = json!({"to": number, "text": format!("n{nth}"), "not_before": not_before});
        sidecar.queue(&body).await
    };
    let mut ids = Vec::new();
    for nth in 0..5 {
        ids.push(put_off(nth, soon).await);
    }
    sidecar.folder.write("sidecar.toml", setup(four_a_second()).to_toml());
    applied(&sidecar, 1).await;

    // Just before the others, which so come to the limit last.
    ids.push(put_off(5, soon - jiff::SignedDuration::from_millis(100)).await);

    left_evenly(&sidecar, &plivo, &ids).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn after_a_restart_what_was_left_behind_leaves_as_its_limit_lets_it() {
    let plivo = plivo().await;
    plivo.fail(Outage::Refuse).await;
    let setup =
        Setup::new(&plivo).durable().set("delivery.breaker", breaker()).policy(four_a_second());
    let sidecar = Sidecar::start(setup.clone()).await;
    let began = jiff::Timestamp::now();
    let ids = piled_up(&sidecar, 8).await;
    let folder = sidecar.kill().await;
    let slots_are_over = async || {
        (jiff::Timestamp::now().duration_since(began).unsigned_abs() > SLOT * 9).then_some(())
    };
    eventually("the slots that acceptance gave are over", slots_are_over).await;
    plivo.restore().await;

    let sidecar = Sidecar::start_in(folder, setup).await;

    left_evenly(&sidecar, &plivo, &ids).await;
    sidecar.stop().await;
}

#[tokio::test]
async fn after_a_restart_a_code_goes_before_what_was_left_behind_with_it() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).durable().set("plivo.max_connections", 1);
    let sidecar = Sidecar::start(setup.clone()).await;
    // One call that keeps all others back, and that comes to nothing.
    plivo.script([Step { status: Some(500), ..Step::hold() }]).await;
    sidecar.queue(&json!({"to": TO, "text": "first"})).await;
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();
    for nth in 0..12 {
        let to = format!("+1415555{nth:04}");
        sidecar.queue(&json!({"to": to, "text": format!("n{nth}")})).await;
    }
    sidecar.queue(&json!({"to": "+14155550199", "text": "code", "intent": "otp"})).await;
    let folder = sidecar.kill().await;
    plivo.release();

    let sidecar = Sidecar::start_in(folder, setup).await;

    plivo.wait_for_sends(13, PATIENCE).await.unwrap();
    assert_eq!(texts(&plivo)[0], "code", "{:?}", texts(&plivo));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_code_takes_the_next_slot_before_the_promotions_of_another_app() {
    let plivo = plivo().await;
    let setup = Setup::new(&plivo).app(App::new("bank", "token-of-bank")).policy(paced(1, 1));
    let sidecar = Sidecar::start(setup).await;
    for nth in 0..20 {
        let to = format!("+1415555{nth:04}");
        sidecar.queue(&json!({"to": to, "text": "promotion"})).await;
    }
    let request = sidecar.post("/v1/messages").bearer("token-of-bank");
    let code = json!({"to": TO, "text": "code 1234", "intent": "otp", "ttl_s": 10});
    let answer = request.header("prefer", "respond-async").json(&code).answer().await.expect(202);
    let before = plivo.sends().len();

    let gone = async || texts(&plivo).iter().position(|text| text == "code 1234");
    let place = eventually("the code was sent", gone).await;

    assert!(place <= before + 1, "{place} went before it, {before} of them before it came");
    let changes = &answer["transformations"];
    assert_eq!(changes[0]["code"], "throttle.shaped", "{answer}");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_code_whose_turn_comes_after_its_five_minutes_is_refused_and_none_outlives_them() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(paced(1, 200))).await;
    let code = |to: &str| json!({"to": to, "text": "code 1234", "intent": "otp"});
    sidecar.send(&code("+14155550001")).await.expect(202);
    let second = sidecar.queue(&code("+14155550002")).await;

    let third = code("+14155550003");
    let foreseen = sidecar.post("/v1/explain").json(&third).answer().await.expect(200);
    assert_eq!(foreseen["problem"]["code"], "throttle.would_expire", "{foreseen}");
    let answer = sidecar.post("/v1/messages").header("prefer", "respond-async");
    let answer = answer.json(&third).answer().await;

    let refused = answer.refused(429, "throttle.would_expire");
    assert_eq!(refused["violated-policies"], json!(["sender"]), "{answer}");
    assert_eq!(foreseen["problem"]["violated-policies"], refused["violated-policies"]);
    assert!(answer.header("retry-after").is_some(), "{answer}");
    let policies = answer.header("ratelimit-policy").expect("the limit that refused it");
    assert!(policies.starts_with("\"sender\";q=1"), "{policies}");
    let record = sidecar.in_status(&second, "waiting").await;
    let at = |member: &str| -> jiff::Timestamp {
        record[member].as_str().and_then(|at| at.parse().ok()).expect("an instant")
    };
    let lives = at("deadline").duration_since(at("created_at"));
    assert!(lives <= jiff::SignedDuration::from_secs(300), "it lives for {lives}: {record}");
    assert_eq!(record["not_before"], Value::Null, "the app gave no start");
    sidecar.stop().await;
}
