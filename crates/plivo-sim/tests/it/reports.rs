//! Reports that come by themselves, and those that come wrong on demand.

use std::time::Duration;

use plivo_sim::{Callbacks, PlivoSim, Posting, Report, Reports, Signatures, State, signature};
use serde_json::json;
use tokio::net::TcpListener;

use crate::PATIENCE;
use crate::callbacks::{sms, take, with};
use crate::wire::{call, send};

const AT_ONCE: Callbacks =
    Callbacks::Auto { sent_after: Duration::ZERO, delivered_after: Duration::ZERO };

/// A simulator with one message, whose reports come to the listener.
async fn with_message() -> (PlivoSim, TcpListener, String, String) {
    let (sim, listener) = with(Callbacks::Manual).await;
    let (url, body) = sms(&listener, "/cb", "POST");
    send(&sim, &body).await;
    let uuid = sim.sends()[0].message_uuid.clone();
    (sim, listener, url, uuid)
}

#[tokio::test]
async fn reports_are_switched_on_while_it_runs() {
    let (sim, listener) = with(Callbacks::Off).await;
    let settings =
        r#"{"sent_after_ms":0,"delivered_after_ms":0,"end":"undelivered","error_code":"20"}"#;
    assert_eq!(call(&sim, "PUT", "/_sim/reports", settings).await.status, 200);
    send(&sim, &sms(&listener, "/cb", "POST").1).await;

    let mut seen = Vec::new();
    for _ in 0..3 {
        let report = take(&listener, 200).await;
        let words = ["Sequence", "Status", "ErrorCode"].map(|name| report.param(name).to_owned());
        seen.push(words.join(" "));
    }
    seen.sort();
    assert_eq!(seen, ["1 queued ", "2 sent ", "3 undelivered 20"]);

    for body in [
        r#"{"end":"gone"}"#,
        r#"{"copies":11}"#,
        r#"{"call":"auto"}"#,
        r#"{"sent_after_ms":86400001}"#,
    ] {
        assert_eq!(call(&sim, "PUT", "/_sim/reports", body).await.status, 400, "{body}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn reports_can_come_in_reverse_and_twice_each() {
    let (sim, listener) = with(Callbacks::Off).await;
    let posting = Posting { copies: 2, ..Posting::default() };
    sim.set_reports(Reports { reversed: true, posting, ..Reports::from(AT_ONCE) });
    send(&sim, &sms(&listener, "/cb", "POST").1).await;

    let mut sequences = Vec::new();
    for _ in 0..6 {
        sequences.push(take(&listener, 200).await.param("Sequence").to_owned());
    }

    assert_eq!(sequences, ["3", "3", "2", "2", "1", "1"]);
    sim.stop().await;
}

#[tokio::test]
async fn a_late_report_moves_nothing() {
    let (sim, listener, _, uuid) = with_message().await;
    let report = |state, sequence| Report { sequence: Some(sequence), ..Report::of(state) };
    for (report, sequence, state) in [
        (report(State::Delivered, 3), "3", State::Delivered),
        (report(State::Sent, 2), "2", State::Delivered),
        (report(State::Delivered, 3), "3", State::Delivered),
        (Report::of(State::Read), "4", State::Read),
    ] {
        let status = report.state.as_str();
        let (sent, seen) = tokio::join!(sim.send_report(&uuid, report), take(&listener, 200));
        assert_eq!(sent.unwrap().sequence.to_string(), sequence);
        assert_eq!((seen.param("Sequence"), seen.param("Status")), (sequence, status));
        assert_eq!(sim.sends()[0].state, state, "after {status}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn signatures_can_be_missing_bad_or_of_one_version() {
    let (sim, listener, url, uuid) = with_message().await;
    for (word, v2, v3) in [
        ("both", true, true),
        ("v2", true, false),
        ("v3", false, true),
        ("bad", false, false),
        ("absent", false, false),
    ] {
        let path = format!("/_sim/callback?id={uuid}&status=sent&nonce=12345&signatures={word}");
        let (answer, report) = tokio::join!(call(&sim, "POST", &path, ""), take(&listener, 200));
        assert_eq!(answer.status, 200, "{word}: {}", answer.body);
        let good = (
            signature::v2("TOKEN", &url, "12345"),
            signature::v3("TOKEN", "POST", &url, &report.params, "12345"),
        );
        let (found2, found3) =
            (report.header("x-plivo-signature-v2"), report.header("x-plivo-signature-v3"));
        assert_eq!((found2 == good.0, found3 == good.1), (v2, v3), "{word}");
        assert_eq!(found2.is_empty(), matches!(word, "v3" | "absent"), "{word}");
        assert_eq!(found3.is_empty(), matches!(word, "v2" | "absent"), "{word}");
    }
    for query in ["signatures=none", "copies=0", "copies=x", "sequence=-1"] {
        let path = format!("/_sim/callback?id={uuid}&status=sent&{query}");
        assert_eq!(call(&sim, "POST", &path, "").await.status, 400, "{query}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn copies_with_one_nonce_are_a_replay() {
    let (sim, listener, _, uuid) = with_message().await;
    let posting =
        Posting { copies: 3, nonce: Some("12345".to_owned()), signatures: Signatures::Both };
    let report = Report { posting, ..Report::of(State::Sent) };
    let takes = async {
        let mut heads = Vec::new();
        for _ in 0..3 {
            let report = take(&listener, 200).await;
            assert_eq!(report.param("Sequence"), "1");
            heads.push(report.header("x-plivo-signature-v3").to_owned());
        }
        heads
    };
    let (sent, signatures) = tokio::join!(sim.send_report(&uuid, report), takes);
    assert_eq!(sent.unwrap().answer.unwrap(), 200);
    assert!(signatures.iter().all(|one| *one == signatures[0]), "{signatures:?}");
    sim.stop().await;
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_holds_nothing_up() {
    let (sim, silent) = with(AT_ONCE).await;
    let (_, body) = sms(&silent, "/cb", "POST");
    let many = 300;
    for _ in 0..many {
        assert_eq!(send(&sim, &body).await.status, 202);
    }
    let moves = async {
        while sim.sends().iter().any(|message| message.state != State::Delivered) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, moves).await.expect("messages wait for the receiver");
    let open = call(&sim, "GET", "/_sim/sends/count?by=state", "").await.json();
    assert_eq!(open["groups"], json!([{"state": "delivered", "count": many}]));
    sim.stop().await;
}
