//! Quiet hours that close while a message waits for its turn.

use jiff::Timestamp;
use serde_json::json;

use super::Faults;
use crate::harness::{Policy, Setup, Sidecar, plivo, texts};

const HOUR: i64 = 3_600;

/// A time zone in which it is between noon and one o'clock.
fn noon() -> String {
    let hour = Timestamp::now().as_second() / HOUR % 24;
    // These names count from the clock there to Greenwich.
    format!("Etc/GMT{:+}", hour - 12)
}

#[tokio::test]
async fn what_a_pace_moves_into_quiet_hours_waits_for_the_next_opening_or_its_time_is_over() {
    let (plivo, faults) = (plivo().await, Faults::new());
    let hours = Policy::new("quiet-hours").settings(json!({"hours": "11:00-14:00"}));
    let limit = json!({
        "name": "sender", "scope": "sender", "kind": "gcra", "quota": 1, "per_s": 5, "on_limit": "queue",
    });
    let pace = Policy::new("throttle").settings(json!({"limits": [limit]}));
    let setup = Setup::new(&plivo).policy(hours).policy(pace);
    let sidecar = Sidecar::start(faults.under(setup)).await;
    let zone = noon();
    let send = async |nth: u32, ttl_s: i64| {
        let body = json!({
            "to": format!("+1415555019{nth}"), "text": format!("n{nth}"), "intent": "marketing",
            "recipient_tz": zone, "ttl_s": ttl_s,
        });
        sidecar.queue(&body).await
    };
    let first = send(0, HOUR).await;
    sidecar.in_status(&first, "submitted").await;
    let (long, short) = (send(1, 48 * HOUR).await, send(2, 4 * HOUR).await);

    // Between three and four o'clock, before the turn of either has come.
    faults.set_clock(3 * HOUR);

    let record = sidecar.record(&long, |record| record["error_code"] == "quiet.deferred").await;
    assert_eq!(record["status"], "waiting", "{record}");
    let record = sidecar.in_status(&short, "expired").await;
    assert_eq!(record["error_code"], "send.expired", "{record}");
    assert_eq!(texts(&plivo), ["n0"]);
    faults.set_clock(24 * HOUR);
    sidecar.in_status(&long, "submitted").await;
    assert_eq!(texts(&plivo), ["n0", "n1"]);
    sidecar.stop().await;
}
