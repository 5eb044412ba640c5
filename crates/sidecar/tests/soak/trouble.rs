//! What Plivo does wrong.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use plivo_sim::{Callbacks, Outage, Posting, Reports, Signatures, State, Step};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::client;
use crate::{Stage, pause};

/// A fault of one answer; `LATE` is longer than a call may take.
fn fault(rng: &mut Rng) -> Value {
    const LATE: u64 = 4_000;
    let faults = [
        json!({"status": 429, "headers": {"retry-after": "1"}}),
        json!({"status": 429}),
        json!({"status": 503}),
        json!({"status": 500}),
        json!({"status": 500, "queue": true}),
        json!({"status": 502, "raw": "<html>"}),
        json!({"status": 400, "body": "as the soak has it"}),
        json!({"hang_ms": rng.u64(100..2_500)}),
        json!({"hang_ms": LATE}),
        json!({"hang_ms": LATE, "queue": false}),
        json!({"reset": true}),
        json!({"reset": true, "queue": true}),
        json!({"close": true}),
        json!({"close": true, "queue": true}),
        json!({"truncate": true}),
        json!({"truncate": true, "queue": false}),
        json!({"status": 202, "raw": "<html>"}),
    ];
    faults[rng.usize(..faults.len())].clone()
}

/// How delivery reports come.
fn reports(rng: &mut Rng) -> Reports {
    let good = Reports::from(Callbacks::auto());
    let after = |ms| Duration::from_millis(ms);
    match rng.u32(..7) {
        0 => Reports::from(Callbacks::Off),
        1 => Reports::from(Callbacks::Auto {
            sent_after: after(2_000),
            delivered_after: after(9_000),
        }),
        2 => Reports { posting: Posting { copies: 2, ..Posting::default() }, ..good },
        3 => Reports {
            posting: Posting { signatures: Signatures::Bad, ..Posting::default() },
            ..good
        },
        4 => Reports { end: State::Undelivered, error_code: Some("30".to_owned()), ..good },
        5 => Reports { reversed: true, ..good },
        _ => good,
    }
}

/// Makes trouble until time is over, and then none any more.
pub(crate) async fn make_until_over(stage: Arc<Stage>, seed: u64) {
    let (mut rng, client) = (Rng::with_seed(seed), client());
    let script = format!("{}/_sim/script", stage.plivo.base_url());
    // In place of those that wait: they never pile up.
    let put = async |steps: Value| {
        client
            .put(&script)
            .body(steps.to_string())
            .send()
            .await
            .is_ok_and(|put| put.status() == 200)
    };
    while Instant::now() < stage.until {
        pause(&mut rng, 100..700).await;
        match rng.u32(..24) {
            0 => stage.plivo.refuse_connections(Duration::from_millis(rng.u64(100..1_500))).await,
            1 => {
                let status = [429, 500, 503][rng.usize(..3)];
                stage.plivo.fail(Outage::Step(Box::new(Step::status(status)))).await;
                pause(&mut rng, 200..1_500).await;
                stage.plivo.restore().await;
            }
            2 => stage.plivo.disconnect(),
            3 => stage.plivo.set_list_delay(Duration::from_millis(rng.u64(..2_000))),
            4 | 5 => stage.plivo.set_reports(reports(&mut rng)),
            6..16 => {
                let steps: Vec<Value> = (0..rng.u32(1..=3)).map(|_| fault(&mut rng)).collect();
                stage.count(if put(steps.into()).await {
                    "faults scripted"
                } else {
                    "faults not scripted"
                });
                continue;
            }
            _ => continue,
        }
        stage.count("outages and other moods of Plivo");
    }
    stage.plivo.restore().await;
    stage.plivo.set_list_delay(Duration::ZERO);
    stage.plivo.set_reports(Callbacks::auto().into());
    // A connection of before may be cut once more.
    for _ in 0..100 {
        if put(json!([])).await {
            return;
        }
        pause(&mut rng, 10..50).await;
    }
    stage.fault("the simulator does not take an empty script".to_owned());
}
