//! Connections that are kept: only idleness ends them, however their requests arrived.

use std::net::SocketAddr;
use std::time::Duration;

use plivo_sim::PlivoSim;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{head, hi, status};
use crate::harness::{Connection, Setup, Sidecar, plivo};

/// Short, so that a test can outlast it.
const HEAD_MS: u64 = 300;

fn setup(plivo: &PlivoSim) -> Setup {
    Setup::standard(plivo).set("listen.header_timeout_ms", HEAD_MS)
}

/// A send in one piece, on a connection that is kept.
fn send() -> String {
    head(&format!("Content-Length: {}\r\n\r\n{}", hi().len(), hi()))
        .replace("Connection: close\r\n", "")
}

fn get() -> String {
    let send = send();
    let headers = send.split_once("\r\n").map(|(_, rest)| rest).unwrap_or_default();
    let headers = headers.split("Content-Type").next().unwrap_or_default();
    format!("GET /v1/policies HTTP/1.1\r\n{headers}\r\n")
}

/// Ends when the time for a head that would have begun now is over, as the sidecar's own clock has it.
fn heads_time(apps: SocketAddr) -> JoinHandle<()> {
    tokio::spawn(async move {
        let silent = Connection::open(apps).await;
        assert_eq!(silent.rest().await, "", "nothing was asked, so nothing is answered");
    })
}

#[tokio::test]
async fn a_connection_whose_request_came_in_one_piece_is_kept_beyond_the_time_for_heads() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo)).await;
    for request in [send(), get()] {
        let mut kept = Connection::open(sidecar.apps).await;
        kept.send(&request).await;
        let first = kept.answer().await;
        assert!([200, 202].contains(&status(&first)), "{first}");

        heads_time(sidecar.apps).await.unwrap();

        kept.send(get()).await;
        let again = kept.answer().await;
        assert_eq!(status(&again), 200, "{again}");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_always_busy_outlives_the_time_for_heads() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo)).await;
    let mut busy = Connection::open(sidecar.apps).await;
    busy.send(get()).await;
    busy.answer().await;

    let over = heads_time(sidecar.apps);
    let mut asked = 0;
    while !over.is_finished() {
        busy.send(get()).await;
        let answer = busy.answer().await;
        assert_eq!(status(&answer), 200, "the request after {asked} others: {answer}");
        asked += 1;
    }

    over.await.unwrap();
    assert!(asked > 0, "nothing was asked meanwhile");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_kept_connection_ends_when_it_was_idle_for_as_long_as_is_configured() {
    let plivo = plivo().await;
    let idle = Duration::from_millis(HEAD_MS * 3);
    let sidecar = Sidecar::start(setup(&plivo).set("listen.idle_timeout_ms", HEAD_MS * 3)).await;
    let mut kept = Connection::open(sidecar.apps).await;
    kept.send(get()).await;
    kept.answer().await;
    let answered = Instant::now();

    let rest = kept.rest().await;

    assert_eq!(rest, "", "an idle connection ends without a word");
    // A busy machine can only make it later. The sidecar begins to count when it has written, just before it is read.
    let early = idle - Duration::from_millis(HEAD_MS);
    assert!(answered.elapsed() > early, "ended after {:?}", answered.elapsed());
    sidecar.stop().await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_does_not_cost_the_connection_that_it_came_on() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo)).await;
    for (address, path, found) in [
        (sidecar.apps, "/v1/messages/none/converted", 404),
        (sidecar.apps, "/nothing", 404),
        (sidecar.apps, "/v1/policies", 405),
        (sidecar.admin, "/policies/none/promote", 403),
    ] {
        let post = post(path, 2);
        let mut kept = Connection::open(address).await;
        for nth in 0..3 {
            kept.send(&post).await;
            kept.send("{}").await;
            let answer = kept.answer().await;
            assert_eq!(status(&answer), found, "{path}, the {nth}th: {answer}");
            assert!(!answer.contains("connection: close"), "{path}: {answer}");
        }
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn where_a_body_that_nobody_reads_does_not_come_the_answer_says_that_the_connection_ends() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(setup(&plivo)).await;
    for waits in ["", "Expect: 100-continue\r\n"] {
        let mut kept = Connection::open(sidecar.apps).await;
        kept.send(
            post("/v1/messages/none/nothing", 2).replace("\r\n\r\n", &format!("\r\n{waits}\r\n")),
        )
        .await;
        let answer = kept.rest().await;
        assert_eq!(status(&answer), 404, "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    sidecar.stop().await;
}

/// The head of a request with a body of so many bytes, on a connection that is kept.
fn post(path: &str, bytes: usize) -> String {
    head(&format!("Content-Length: {bytes}\r\n\r\n"))
        .replace("Connection: close\r\n", "")
        .replace("/v1/messages ", &format!("{path} "))
}
