//! A process that is stopped in the middle of its work, as a debugger, a freezer or a full machine stops it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use plivo_sim::Step;
use serde_json::json;
use tokio::task::JoinSet;

use super::sent_once;
use crate::harness::{Answer, PATIENCE, Setup, Sidecar, TO, eventually, plivo, posts};

/// SIGSTOP, and that it stands still.
async fn stop(sidecar: &Sidecar) {
    sidecar.signal("STOP");
    let stat = format!("/proc/{}/stat", sidecar.id());
    let stopped = async || {
        let stat = std::fs::read_to_string(&stat).expect("it is there");
        stat.rsplit_once(") ")?.1.starts_with('T').then_some(())
    };
    eventually("it is stopped", stopped).await;
}

#[tokio::test]
async fn one_that_is_stopped_in_a_call_loses_and_doubles_nothing_and_answers_who_came_meanwhile() {
    // The answer comes while it is stopped, or the call's time is over before there is one.
    for answered in [true, false] {
        let plivo = plivo().await;
        plivo.script([Step::hold()]).await;
        let setup = Setup::new(&plivo).durable().set("plivo.connect_timeout_ms", 1_000);
        let setup = setup.set("plivo.call_timeout_ms", 2_000);
        let sidecar = Arc::new(Sidecar::start(setup.set("delivery.settle_s", [1])).await);
        let mut wanted = vec!["in a call".to_owned()];
        let mut ids = vec![sidecar.queue(&json!({"to": TO, "text": "in a call"})).await];
        plivo.wait_for_sends(1, PATIENCE).await.unwrap();
        let soon = Timestamp::now() + SignedDuration::from_secs(2);
        for nth in 0..5 {
            let (to, text) = (format!("+1415555020{nth}"), format!("waits {nth}"));
            let request = json!({"to": to, "text": text, "not_before": soon.to_string()});
            ids.push(sidecar.queue(&request).await);
            wanted.push(text);
        }

        stop(&sidecar).await;
        let mut meanwhile = JoinSet::<Answer>::new();
        for nth in 0..10 {
            let (to, text) = (format!("+1415555021{nth}"), format!("meanwhile {nth}"));
            meanwhile.spawn(
                sidecar.post("/v1/messages").json(&json!({"to": to, "text": text})).answer(),
            );
            wanted.push(text);
        }
        if answered {
            plivo.release();
        }
        let over = soon + SignedDuration::from_secs(1);
        eventually("all times are over", async || (Timestamp::now() > over).then_some(())).await;
        let before = posts(&plivo).len();
        assert_eq!(before, 1, "sent by one that is stopped");
        sidecar.signal("CONT");

        while let Some(answer) = meanwhile.join_next().await {
            answer.unwrap().expect(202);
        }
        for id in &ids {
            sidecar.in_status(id, "submitted").await;
        }
        sent_once(&plivo, wanted);
        plivo.release();
        Arc::into_inner(sidecar).expect("nobody else has it").stop().await;
    }
}

#[tokio::test]
async fn one_that_is_stopped_again_and_again_under_load_sends_what_it_accepted_once() {
    let plivo = plivo().await;
    let sidecar = Arc::new(Sidecar::start(Setup::standard(&plivo).durable()).await);
    let mut clients = JoinSet::new();
    for client in 0..4 {
        let sidecar = Arc::clone(&sidecar);
        clients.spawn(async move {
            let mut sent = Vec::new();
            for nth in 0..40 {
                let text = format!("client {client}, {nth}");
                let body = json!({"to": format!("+1415555030{client}"), "text": text});
                let answer = sidecar.post("/v1/messages").key(&text).json(&body).answer().await;
                answer.expect(202);
                sent.push(text);
            }
            sent
        });
    }
    let stopping = async {
        for round in 1..=20 {
            let some = async || (plivo.sends().len() >= round * 5).then_some(());
            eventually("it goes on in between", some).await;
            stop(&sidecar).await;
            sidecar.signal("CONT");
        }
    };
    let (wanted, ()) = tokio::join!(clients.join_all(), stopping);

    sent_once(&plivo, wanted.into_iter().flatten());
    Arc::into_inner(sidecar).expect("nobody else has it").stop().await;
}
