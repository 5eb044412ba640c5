//! A Plivo that is away, fails, or wants patience: nothing is lost, nothing is asked more than it can bear.

mod breaker;

use std::sync::Arc;

use plivo_sim::{Outage, Step};
use serde_json::{Value, json};

use crate::harness::{Setup, Sidecar, TO, eventually, plivo, posts, texts};

#[tokio::test]
async fn what_was_accepted_while_plivo_was_away_is_sent_when_it_returns_in_order_for_each_recipient()
 {
    let plivo = plivo().await;
    plivo.fail(Outage::Refuse).await;
    let breaker = json!({"failures": 2, "open_s": 1, "open_max_s": 1});
    let sidecar = Sidecar::start(Setup::new(&plivo).set("delivery.breaker", breaker)).await;
    let recipients = [TO, "+14155550124", "+14155550125"];
    let mut ids = Vec::new();
    for nth in 0..10 {
        for to in recipients {
            ids.push(sidecar.queue(&json!({"to": to, "text": format!("n{nth}")})).await);
        }
    }
    let short = json!({"to": "+14155550126", "text": "too late", "ttl_s": 7});
    let short = sidecar.queue(&short).await;
    let open = async || (sidecar.ready().await.json()["plivo"]["breaker"] == "open").then_some(());
    eventually("the breaker is open", open).await;

    let record = sidecar.in_status(&short, "expired").await;
    plivo.restore().await;

    assert_eq!(record["error_code"], "send.expired", "{record}");
    for id in &ids {
        sidecar.in_status(id, "submitted").await;
    }
    let wanted: Vec<String> = (0..10).map(|nth| format!("n{nth}")).collect();
    for to in recipients {
        let sends = plivo.sends().into_iter().filter(|send| send.dst == to[1..]);
        assert_eq!(sends.map(|send| send.text).collect::<Vec<_>>(), wanted, "to {to}");
    }
    assert_eq!(plivo.sends().len(), 30);
    sidecar.stop().await;
}

#[tokio::test]
async fn an_outage_that_spans_a_restart_loses_nothing_and_expires_what_it_was_told_to() {
    let plivo = plivo().await;
    plivo.fail(Outage::Refuse).await;
    let for_s = |open_s: u64| {
        let breaker = json!({"failures": 1, "open_s": open_s, "open_max_s": open_s});
        Setup::new(&plivo).durable().set("delivery.breaker", breaker)
    };
    let sidecar = Sidecar::start(for_s(3)).await;
    let long = sidecar.queue(&json!({"to": TO, "text": "long"})).await;
    // One in the middle of a call would be in doubt.
    let open = async || (sidecar.ready().await.json()["plivo"]["breaker"] == "open").then_some(());
    eventually("the breaker is open", open).await;
    let short = sidecar.queue(&json!({"to": "+14155550124", "text": "short", "ttl_s": 8})).await;
    for id in [&long, &short] {
        sidecar.in_status(id, "waiting").await;
    }
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, for_s(1)).await;

    sidecar.in_status(&short, "expired").await;
    plivo.restore().await;
    sidecar.in_status(&long, "submitted").await;
    assert_eq!(texts(&plivo), ["long"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_plivo_that_fails_costs_it_no_call_after_a_restart_either() {
    let plivo = plivo().await;
    plivo.fail(Outage::Step(Box::new(Step::status(500)))).await;
    let for_s = |open_s: u64| {
        let breaker = json!({"failures": 1, "open_s": open_s, "open_max_s": open_s});
        let setup = Setup::new(&plivo).durable().set("delivery.breaker", breaker);
        setup.set("delivery.settle_s", json!([600]))
    };
    let sidecar = Sidecar::start(for_s(600)).await;
    let opener = sidecar.queue(&json!({"to": TO, "text": "finds out"})).await;
    sidecar.in_status(&opener, "in_doubt").await;
    let mut ids = Vec::new();
    for nth in 0..20 {
        let to = format!("+141555501{nth:02}");
        ids.push(sidecar.queue(&json!({"to": to, "text": format!("n{nth}")})).await);
    }
    for id in &ids {
        sidecar.in_status(id, "waiting").await;
    }
    let folder = sidecar.kill().await;
    let asked = plivo.requests().len();

    let sidecar = Sidecar::start_in(folder, for_s(1)).await;

    let probes = async || (plivo.requests().len() >= asked + 2).then_some(());
    eventually("it has asked twice whether Plivo is well", probes).await;
    assert_eq!(posts(&plivo).len(), 1, "messages were sent to find that out");
    plivo.restore().await;
    for id in &ids {
        sidecar.in_status(id, "submitted").await;
    }
    assert_eq!(plivo.sends().len(), 20);
    sidecar.stop().await;
}

#[tokio::test]
async fn plivo_is_asked_no_sooner_than_it_wants_after_a_503() {
    let plivo = plivo().await;
    plivo.script([Step::status(503).with_header("Retry-After", "2")]).await;
    let sidecar = Sidecar::start(Setup::new(&plivo)).await;

    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;

    let record = sidecar.in_status(&id, "submitted").await;
    let at = |nth: usize, member: &str| -> jiff::Timestamp {
        record["attempts"][nth][member].as_str().and_then(|at| at.parse().ok()).expect("an instant")
    };
    let waited = at(1, "started_at").duration_since(at(0, "ended_at"));
    assert!(waited >= jiff::SignedDuration::from_secs(2), "waited {waited} only: {record}");
    sidecar.stop().await;
}

#[tokio::test]
async fn what_plivo_asked_for_is_waited_for_over_a_restart_too() {
    for (status, is_killed) in [(429, true), (503, false)] {
        let plivo = plivo().await;
        plivo.script([Step::status(status).with_header("Retry-After", "4")]).await;
        let setup = Setup::new(&plivo).durable();
        let sidecar = Sidecar::start(setup.clone()).await;
        let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
        sidecar.in_status(&id, "retry_wait").await;
        let folder = Arc::clone(&sidecar.folder);
        match is_killed {
            true => drop(sidecar.kill().await),
            false => drop(sidecar.stop().await),
        }

        let sidecar = Sidecar::start_in(folder, setup).await;

        let record = sidecar.in_status(&id, "submitted").await;
        let at = |nth: usize, member: &str| -> jiff::Timestamp {
            record["attempts"][nth][member].as_str().unwrap().parse().unwrap()
        };
        let waited = at(1, "started_at").duration_since(at(0, "ended_at"));
        assert!(waited.as_secs() >= 4, "after {status} it waited {waited} only: {record}");
        assert_eq!(posts(&plivo).len(), 2, "after {status}");
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn while_plivo_turns_messages_away_retries_stay_within_their_budget_and_then_all_go() {
    let plivo = plivo().await;
    plivo.fail(Outage::Step(Box::new(Step::status(503)))).await;
    let setup = Setup::new(&plivo)
        .set("delivery.retry_budget_percent", 0)
        .set("delivery.breaker", json!({"failures": 1_000, "min_calls": 100_000}));
    let sidecar = Sidecar::start(setup).await;
    let began = std::time::Instant::now();
    let mut ids = Vec::new();
    for nth in 0..20 {
        let to = format!("+141555501{nth:02}");
        ids.push(sidecar.queue(&json!({"to": to, "text": format!("n{nth}")})).await);
    }
    let three = async || (posts(&plivo).len() >= 20 + 3).then_some(());
    eventually("the three spare retries", three).await;
    for id in &ids {
        // Each has asked for a retry more than once, and most were told to wait.
        let mut seen: Vec<Value> = Vec::new();
        let asked = async || {
            let record = sidecar.get(&format!("/v1/messages/{id}")).await.expect(200);
            if record["status"] == "retry_wait" && seen.last() != Some(&record["updated_at"]) {
                seen.push(record["updated_at"].clone());
            }
            (seen.len() > 2).then_some(())
        };
        eventually("it has asked again", asked).await;
    }
    let most = 20 + 3 + 1 + began.elapsed().as_secs() / 5;
    let calls = posts(&plivo).len() as u64;
    assert!(calls <= most, "{calls} calls, and {most} would be many");

    plivo.restore().await;

    for id in &ids {
        sidecar.in_status(id, "submitted").await;
    }
    assert_eq!(plivo.sends().len(), 20);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_quiet_sidecar_loses_no_message_to_an_outage_that_is_over() {
    let plivo = plivo().await;
    plivo.script(vec![Step::status(429); 30]).await;
    let sidecar = Sidecar::start(Setup::new(&plivo)).await;
    let mut ids = Vec::new();
    for nth in 0..30 {
        let message =
            json!({"to": format!("+141555501{nth:02}"), "text": format!("n{nth}"), "ttl_s": 60});
        ids.push(sidecar.queue(&message).await);
    }

    for id in &ids {
        sidecar.in_status(id, "submitted").await;
    }

    assert_eq!(plivo.sends().len(), 30);
    sidecar.stop().await;
}
