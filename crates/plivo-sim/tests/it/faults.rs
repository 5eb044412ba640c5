//! What a script can do, as it is seen on the wire.

use std::time::Duration;

use plivo_sim::{PlivoSim, SimConfig, Step};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::PATIENCE;
use crate::wire::{BASIC, Ending, MESSAGES, SMS, call, read, send};

/// Plays one step over one send; returns what was seen, and how many messages were queued.
async fn played(step: Step) -> (crate::wire::Answer, usize) {
    let sim = PlivoSim::start(SimConfig::default()).await;
    sim.script([step]).await;
    let answer = send(&sim, SMS).await;
    let queued = sim.sends().len();
    assert_eq!(send(&sim, SMS).await.status, 202, "a step serves one send only");
    sim.stop().await;
    (answer, queued)
}

#[tokio::test]
async fn a_status_comes_with_plivos_body_and_queues_nothing() {
    for status in [400, 401, 402, 403, 404, 429, 500, 502, 503, 504] {
        let (answer, queued) = played(Step::status(status)).await;
        assert_eq!((answer.status, queued), (status, 0));
        assert!(!answer.error().is_empty(), "{}", answer.body);
        assert_eq!(answer.json()["api_id"].is_string(), status != 401, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_queued_status_queues_the_message_all_the_same() {
    let (answer, queued) = played(Step::status(500).queued()).await;
    assert_eq!((answer.status, queued), (500, 1));
}

#[tokio::test]
async fn bodies_are_sent_as_scripted() {
    let (answer, _) = played(Step::status(400).with_body("secret-detail")).await;
    assert_eq!(answer.error(), "secret-detail");
    let (answer, _) = played(Step::status(202).with_body(serde_json::json!({"api_id": "x"}))).await;
    assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"api_id":"x"}"#));
    let (answer, queued) = played(Step::status(202).with_raw("<html>")).await;
    assert_eq!((answer.status, answer.body.as_str(), queued), (202, "<html>", 1));
    assert!(answer.head.contains("content-type: text/html"), "{}", answer.head);
}

#[tokio::test]
async fn headers_are_added() {
    let (answer, queued) = played(Step::status(429).with_header("retry-after", "2")).await;
    assert!(answer.head.contains("retry-after: 2"), "{}", answer.head);
    assert_eq!((answer.status, queued), (429, 0));
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_close_is_a_close() {
    let (answer, queued) = played(Step::reset()).await;
    assert_eq!((answer.ending, answer.head.as_str(), queued), (Ending::Reset, "", 0));
    let (answer, queued) = played(Step::reset().queued()).await;
    assert_eq!((answer.ending, answer.head.as_str(), queued), (Ending::Reset, "", 1));
    let (answer, queued) = played(Step::close()).await;
    assert_eq!((answer.ending, answer.head.as_str(), queued), (Ending::Closed, "", 0));
}

#[tokio::test]
async fn a_truncated_answer_has_half_its_body() {
    let (answer, queued) = played(Step::truncate()).await;
    assert_eq!((answer.status, answer.whole, queued), (202, false, 1));
    assert!(!answer.body.is_empty() && !answer.body.contains('}'), "{}", answer.body);
}

#[tokio::test]
async fn one_recipient_can_have_several_ids() {
    let (answer, queued) = played(Step { multiple_ids: Some(2), ..Step::default() }).await;
    assert_eq!(answer.json()["message_uuid"].as_array().unwrap().len(), 2);
    assert_eq!(queued, 2);
}

#[tokio::test]
async fn a_held_answer_comes_when_released_and_the_message_is_queued_before() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    sim.script([Step::hold()]).await;
    let mut stream = post(&sim).await;
    sim.wait_for_sends(1, PATIENCE).await.unwrap();
    let pending = tokio::time::timeout(Duration::ZERO, read(&mut stream)).await;
    assert!(pending.is_err(), "answered without a release: {pending:?}");

    assert_eq!(call(&sim, "PUT", "/_sim/release", "").await.status, 200);

    assert_eq!(read(&mut stream).await.status, 202);
    sim.stop().await;
}

#[tokio::test]
async fn a_hang_queues_first_and_answers_later() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    sim.script([Step::hang(PATIENCE), Step::hang(Duration::from_millis(1))]).await;
    let hanging = post(&sim).await;
    sim.wait_for_sends(1, PATIENCE).await.unwrap();
    drop(hanging);
    assert_eq!(send(&sim, SMS).await.status, 202);
    sim.stop().await;
}

#[tokio::test]
async fn refused_connections_are_refused_for_their_time_only() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    sim.refuse_connections(Duration::from_millis(300)).await;

    let mut refused = 0;
    let wait = async {
        while let Err(err) = TcpStream::connect(sim.address()).await {
            assert_eq!(err.kind(), std::io::ErrorKind::ConnectionRefused, "{err}");
            refused += 1;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();

    assert!(refused > 0);
    assert_eq!(send(&sim, SMS).await.status, 202);
    sim.stop().await;
}

#[tokio::test]
async fn a_disconnect_closes_an_idle_connection() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let mut stream = post_on_kept(&sim).await;
    sim.wait_for_sends(1, PATIENCE).await.unwrap();
    sim.disconnect();
    let answer = tokio::time::timeout(PATIENCE, read(&mut stream)).await.unwrap();
    assert_eq!((answer.status, answer.ending), (202, Ending::Closed));
    sim.stop().await;
}

#[tokio::test]
async fn a_step_is_not_spent_on_a_request_without_credentials() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    sim.script([Step::status(500)]).await;
    let stranger = crate::wire::exchange(sim.address(), "POST", MESSAGES, "", SMS.as_bytes()).await;
    assert_eq!(stranger.status, 401);
    assert_eq!(send(&sim, SMS).await.status, 500);
    sim.stop().await;
}

#[tokio::test]
async fn a_wait_in_vain_says_how_much_came() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    send(&sim, SMS).await;
    let err = sim.wait_for_sends(2, Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(err.to_string(), "1 of 2 sends came within 1ms");
    sim.stop().await;
}

async fn post(sim: &PlivoSim) -> TcpStream {
    written(sim, "connection: close\r\n").await
}

async fn post_on_kept(sim: &PlivoSim) -> TcpStream {
    written(sim, "").await
}

async fn written(sim: &PlivoSim, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(sim.address()).await.unwrap();
    let length = SMS.len();
    let request = format!(
        "POST {MESSAGES} HTTP/1.1\r\nhost: s\r\nauthorization: {BASIC}\r\n{headers}content-length: \
         {length}\r\n\r\n{SMS}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn while_connections_are_refused_nobody_else_can_take_the_port() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    for _ in 0..3 {
        sim.refuse_connections(Duration::from_secs(600)).await;

        // As most listeners are bound: the address may be shared with what lingers.
        let other = TcpSocket::new_v4().unwrap();
        other.set_reuseaddr(true).unwrap();
        let taken = other.bind(sim.address()).unwrap_err();
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);

        sim.restore().await;
        TcpStream::connect(sim.address()).await.unwrap();
    }
    sim.stop().await;
}
