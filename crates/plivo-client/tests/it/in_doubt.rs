//! Calls that break off after the request was written.

use plivo_client::InDoubtKind;
use plivo_sim::Step;
use tokio::io::AsyncWriteExt;

use crate::peers::{peer, request};
use crate::{PATIENCE, SOON, client, in_doubt, plivo, send, send_within};

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_is_in_doubt() {
    for step in [Step::reset(), Step::close(), Step::reset().queued(), Step::close().queued()] {
        let (sim, client) = plivo().await;
        let queued = usize::from(step.queue == Some(true));
        sim.script([step]).await;
        let outcome = send(&client).await;
        assert_eq!(in_doubt(&outcome), InDoubtKind::ConnectionLost);
        assert_eq!((sim.requests().len(), sim.sends().len()), (1, queued));
        sim.stop().await;
    }
}

#[tokio::test]
async fn a_pooled_connection_that_ends_after_the_request_is_in_doubt_and_not_tried_again() {
    for step in [Step::reset().queued(), Step::close().queued()] {
        let (sim, client) = plivo().await;
        assert!(send(&client).await.may_have_been_sent());
        sim.script([step]).await;

        let outcome = send(&client).await;

        assert_eq!(in_doubt(&outcome), InDoubtKind::ConnectionLost);
        let connections: Vec<u64> = sim.requests().iter().map(|seen| seen.connection).collect();
        assert_eq!(
            connections,
            [1, 1],
            "the second send was on the pooled connection, and there was no third"
        );
        assert_eq!(sim.sends().len(), 2);
        sim.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_in_doubt() {
    let (sim, client) = plivo().await;
    sim.script([Step::hang(PATIENCE * 2)]).await;
    let sending = tokio::spawn(async move { send_within(&client, SOON * 5).await });
    sim.wait_for_sends(1, PATIENCE).await.unwrap();
    let outcome = sending.await.unwrap();
    assert_eq!(in_doubt(&outcome), InDoubtKind::Timeout);
    assert_eq!(sim.requests().len(), 1);
    sim.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_in_doubt() {
    let address = peer(|mut stream| async move {
        request(&mut stream).await;
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await.unwrap();
    })
    .await;
    let outcome = send(&client(&format!("http://{address}"))).await;
    assert_eq!(in_doubt(&outcome), InDoubtKind::ConnectionLost);
}

#[tokio::test]
async fn an_answer_cut_in_its_head_is_in_doubt() {
    let address = peer(|mut stream| async move {
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 202 Accep").await.unwrap();
    })
    .await;
    let outcome = send(&client(&format!("http://{address}"))).await;
    assert_eq!(in_doubt(&outcome), InDoubtKind::ConnectionLost);
}

#[tokio::test]
async fn a_2xx_whose_body_does_not_come_in_time_was_taken() {
    let address = peer(|mut stream| async move {
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 99\r\n\r\n{").await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let outcome = send_within(&client(&format!("http://{address}")), SOON * 5).await;
    assert_eq!(in_doubt(&outcome), InDoubtKind::NoUuid { status: 202 });
}
