//! A message in doubt of one account, while another is in force.

use plivo_sim::Step;
use serde_json::json;

use super::{outcomes, settling};
use crate::harness::{Sidecar, TO, plivo};

#[tokio::test]
async fn the_list_of_another_account_does_not_show_that_a_message_was_not_sent() {
    let (before, after) = (plivo().await, plivo().await);
    before.script([Step::reset().queued()]).await;
    // Asked only after the restart below.
    let setup = settling(&before, &[600]).durable();
    let sidecar = Sidecar::start(setup).await;
    let id = sidecar.queue(&json!({"to": TO, "text": "hi"})).await;
    sidecar.in_status(&id, "in_doubt").await;
    let folder = sidecar.kill().await;

    let sidecar = Sidecar::start_in(folder, settling(&after, &[1, 2]).durable()).await;

    let record = sidecar.in_status(&id, "failed").await;
    assert_eq!(record["error_code"], "send.unresolved", "{record}");
    assert_eq!(outcomes(&record), ["in-doubt"], "{record}");
    assert_eq!((before.sends().len(), after.sends().len()), (1, 0), "copies there and here");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_message_that_is_held_beyond_its_time_ends_as_one_that_nobody_knows_of() {
    let plivo = plivo().await;
    plivo.script([Step::status(500).queued(), Step::status(500)]).await;
    let sidecar = Sidecar::start(settling(&plivo, &[1, 2])).await;
    let ask = |text| json!({"to": TO, "text": text, "ttl_s": 8});
    let ids = [sidecar.queue(&ask("one")).await, sidecar.queue(&ask("two")).await];
    for id in &ids {
        sidecar.in_status(id, "held").await;
    }

    for id in &ids {
        let record = sidecar.in_status(id, "failed").await;
        assert_eq!(record["error_code"], "send.unresolved", "{record}");
    }

    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}
