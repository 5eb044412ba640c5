//! Connections that take their time, or hang up.

use plivo_sim::Step;
use serde_json::json;

use super::{head, hi, status};
use crate::harness::{Connection, PATIENCE, Setup, Sidecar, TO, plivo};

#[tokio::test]
async fn a_head_that_drips_in_is_cut_off() {
    let plivo = plivo().await;
    let sidecar =
        Sidecar::start(Setup::standard(&plivo).set("listen.header_timeout_ms", 200)).await;
    let mut slow = Connection::open(sidecar.apps).await;
    slow.send("POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ").await;

    let answer = slow.rest().await;

    assert_eq!(status(&answer), 408, "{answer}");
    assert!(answer.contains("Connection: close"), "{answer}");
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_body_that_drips_in_is_told_so_and_cut_off() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("listen.body_timeout_ms", 200)).await;
    let mut slow = Connection::open(sidecar.apps).await;
    slow.send(head("Content-Length: 100\r\n\r\n{\"to\":")).await;

    let answer = slow.rest().await;

    assert_eq!(status(&answer), 408, "{answer}");
    assert!(answer.contains("body.too_slow"), "{answer}");
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn slow_connections_hold_nobody_up() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let mut slow = Vec::new();
    for nth in 0..100 {
        let mut connection = Connection::open(sidecar.apps).await;
        let part = if nth % 2 == 0 {
            "POST /v1/mess".to_owned()
        } else {
            head("Content-Length: 50\r\n\r\n{")
        };
        connection.send(part).await;
        slow.push(connection);
    }

    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

    assert_eq!(sidecar.ready().await.status, 200);
    drop(slow);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_request_beyond_the_most_connections_waits_for_room_and_is_served() {
    let plivo = plivo().await;
    let setup = Setup::standard(&plivo)
        .set("listen.max_connections", 2)
        .set("listen.header_timeout_ms", 500);
    let sidecar = Sidecar::start(setup).await;
    let first = Connection::open(sidecar.apps).await;
    let second = Connection::open(sidecar.apps).await;

    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

    drop((first, second));
    sidecar.stop().await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_after_its_request_does_not_take_the_message_back() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let mut caller = Connection::open(sidecar.apps).await;
    caller.send(head(&format!("Content-Length: {}\r\n\r\n{}", hi().len(), hi()))).await;
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();

    drop(caller);
    plivo.release();

    let listed = crate::harness::eventually("the message is submitted", async || {
        let body = sidecar.get("/v1/messages?status=submitted").await.expect(200);
        body["messages"].as_array().filter(|messages| messages.len() == 1).cloned()
    });
    listed.await;
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}

#[tokio::test]
async fn requests_sent_without_waiting_for_answers_are_answered_in_order() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let length = format!("Content-Length: {}\r\n\r\n{}", hi().len(), hi());
    let kept = head(&length).replace("Connection: close\r\n", "");
    let unknown = kept.replace("/v1/messages", "/v1/nowhere");

    let mut connection = Connection::open(sidecar.apps).await;
    connection.send(format!("{kept}{unknown}{}", head(&length))).await;
    let answers = connection.rest().await;

    let statuses: Vec<u16> =
        answers.split("HTTP/1.1 ").skip(1).map(|answer| status(&format!("- {answer}"))).collect();
    assert_eq!(statuses, [202, 404, 202], "{answers}");
    assert_eq!(plivo.sends().len(), 2);
    sidecar.stop().await;
}
