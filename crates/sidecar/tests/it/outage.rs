//! A Plivo that is away, fails, or wants patience: nothing is lost, nothing is asked more than it can bear.

mod breaker;

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
    let breaker = json!({"failures": 1, "open_s": 1, "open_max_s": 1});
    let setup = Setup::new(&plivo).durable().set("delivery.breaker", breaker);
    let sidecar = Sidecar::start(setup.clone()).await;
    let long = sidecar.queue(&json!({"to": TO, "text": "long"})).await;
    // One in the middle of a call would be in doubt.
    let open = async || (sidecar.ready().await.json()["plivo"]["breaker"] == "open").then_some(());
    eventually("the breaker is open", open).await;
    let short = sidecar.queue(&json!({"to": "+14155550124", "text": "short", "ttl_s": 8})).await;
    for id in [&long, &short] {
        sidecar.in_status(id, "waiting").await;
    }
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, setup).await;

    sidecar.in_status(&short, "expired").await;
    plivo.restore().await;
    sidecar.in_status(&long, "submitted").await;
    assert_eq!(texts(&plivo), ["long"]);
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
async fn beyond_the_budget_nothing_is_tried_again_and_first_attempts_go_on() {
    let plivo = plivo().await;
    plivo.script(vec![Step::status(503); 6]).await;
    let setup = Setup::new(&plivo)
        .set("delivery.retry_budget_percent", 0)
        .set("delivery.breaker", json!({"failures": 1_000, "min_calls": 100_000}));
    let sidecar = Sidecar::start(setup).await;
    let mut ids = Vec::new();
    for nth in 0..6 {
        let to = format!("+1415555012{nth}");
        ids.push(sidecar.queue(&json!({"to": to, "text": format!("n{nth}")})).await);
    }
    // Three are spare.
    plivo.wait_for_sends(3, crate::harness::PATIENCE).await.unwrap();

    let mut waiting = Vec::new();
    for id in &ids {
        let record = sidecar
            .record(id, |record| {
                ["submitted", "retry_wait"].contains(&record["status"].as_str().unwrap())
            })
            .await;
        if record["status"] == "retry_wait" {
            waiting.push(record);
        }
    }
    assert_eq!(waiting.len(), 3, "{waiting:#?}");
    for before in &waiting {
        // Each has asked for a retry, been told to wait on, and asked once more.
        let mut seen: Vec<Value> = vec![before["updated_at"].clone()];
        let id = before["id"].as_str().unwrap();
        let asked = async || {
            let record = sidecar.get(&format!("/v1/messages/{id}")).await.expect(200);
            if seen.last() != Some(&record["updated_at"]) {
                seen.push(record["updated_at"].clone());
            }
            (seen.len() > 2).then_some(record)
        };
        let record = eventually("it has asked twice more", asked).await;
        assert_eq!(record["status"], "retry_wait", "{record}");
        assert_eq!(record["attempts"].as_array().map(Vec::len), Some(1), "{record}");
    }
    sidecar.send(&json!({"to": "+14155550130", "text": "first"})).await.expect(202);
    assert_eq!((posts(&plivo).len(), plivo.sends().len()), (10, 4));
    sidecar.stop().await;
}
