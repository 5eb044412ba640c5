//! Connections that take their time, or hang up.

use plivo_sim::Step;
use serde_json::json;

use super::{head, hi, status};
use crate::harness::{Connection, PATIENCE, Setup, Sidecar, TO, TOKEN, eventually, plivo};

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
async fn a_body_that_is_announced_above_the_limit_is_too_large_however_little_of_it_comes() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("listen.body_timeout_ms", 200)).await;
    for rest in ["Content-Length: 70000\r\n\r\n", "Content-Length: 70000\r\n\r\n{\"to\":"] {
        let mut slow = Connection::open(sidecar.apps).await;
        slow.send(head(rest)).await;

        let answer = slow.rest().await;

        assert_eq!(status(&answer), 413, "{answer}");
        assert!(answer.contains("body.too_large"), "{answer}");
    }
    let mut broken_off = Connection::open(sidecar.apps).await;
    broken_off.send(head("Content-Length: 70000\r\n\r\n{\"to\":")).await;
    broken_off.finish().await;
    let answer = broken_off.rest().await;
    assert!(answer.is_empty() || status(&answer) == 413, "{answer}");
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn who_asks_first_whether_to_send_a_body_is_told_that_it_is_too_large() {
    let plivo = plivo().await;
    // Longer than the test is patient: an answer does not wait for the body.
    let setup = Setup::standard(&plivo).set("listen.body_timeout_ms", 600_000);
    let sidecar = Sidecar::start(setup).await;
    for (length, name) in [(10 << 20, "100-continue"), (70_000, "100-Continue")] {
        let mut asking = Connection::open(sidecar.apps).await;
        asking.send(head(&format!("Expect: {name}\r\nContent-Length: {length}\r\n\r\n"))).await;

        let answer = asking.rest().await;

        assert_eq!(status(&answer), 413, "{answer}");
        assert!(answer.contains("body.too_large"), "{answer}");
    }
    let body = json!({"to": TO, "text": "hi"}).to_string();
    let mut asking = Connection::open(sidecar.apps).await;
    asking
        .send(head(&format!("Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len())))
        .await;
    let told = asking.until("\r\n\r\n").await;
    assert_eq!(status(&told), 100, "{told}");
    asking.send(body).await;
    let answer = asking.answer().await;
    assert_eq!(status(&answer), 202, "{answer}");
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

/// A request on a connection that is kept; of a stranger where there is no token.
fn kept(method: &str, path: &str, token: Option<&str>) -> String {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let authorization = authorization.unwrap_or_default();
    format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}\r\n")
}

#[tokio::test]
async fn peers_that_only_sit_there_keep_nobody_out_and_end_before_those_that_are_known() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("listen.max_connections", 4)).await;
    let mut known = Connection::open(sidecar.apps).await;
    known.send(kept("GET", "/v1/policies", Some(TOKEN))).await;
    assert_eq!(status(&known.answer().await), 200);

    let mut strangers = Vec::new();
    for (nth, token) in [None, Some("nobody's"), None, None, None, None].into_iter().enumerate() {
        let mut stranger = Connection::open(sidecar.apps).await;
        stranger.send(kept("GET", "/v1/policies", token)).await;
        let answer = stranger.answer().await;
        assert_eq!(status(&answer), 401, "stranger {nth}: {answer}");
        strangers.push(stranger);
    }
    // As many as there may be connections, with nothing said or half a head.
    for _ in 0..4 {
        let mut mute = Connection::open(sidecar.apps).await;
        mute.send("GET /v1/pol").await;
        strangers.push(mute);
    }
    sidecar.send(&json!({"to": TO, "text": "hi"})).await.expect(202);

    known.send(kept("GET", "/v1/policies", Some(TOKEN))).await;
    let still = known.answer().await;
    assert_eq!(status(&still), 200, "who is known was ended before strangers: {still}");
    for stranger in strangers.drain(..6) {
        assert_eq!(stranger.rest().await, "", "a stranger that is idle longest is ended");
    }
    sidecar.stop().await;
}

#[tokio::test]
async fn known_peers_that_are_idle_make_room_and_those_with_a_request_do_not() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("listen.max_connections", 2)).await;
    let mut idle = Connection::open(sidecar.apps).await;
    idle.send(kept("GET", "/v1/policies", Some(TOKEN))).await;
    idle.answer().await;
    let mut busy = Connection::open(sidecar.apps).await;
    busy.send(head(&format!("Content-Length: {}\r\n\r\n{}", hi().len(), hi()))).await;
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();
    let mut next = Connection::open(sidecar.apps).await;
    next.send(kept("GET", "/v1/policies", Some(TOKEN))).await;
    assert_eq!(status(&next.answer().await), 200);

    assert_eq!(idle.rest().await, "", "an idle connection ends without a word");
    sidecar.send(&json!({"to": "+14155550199", "text": "hi"})).await.expect(202);
    plivo.release();
    let answer = busy.answer().await;
    assert_eq!(status(&answer), 202, "{answer}");
    assert!(answer.contains("submitted"), "{answer}");
    sidecar.stop().await;
}

#[tokio::test]
async fn where_every_connection_is_busy_further_ones_are_told_when_to_come_again() {
    let plivo = plivo().await;
    plivo.script([Step::hold()]).await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("listen.max_connections", 1)).await;
    let page = sidecar.get("/problems/spool.full").await.expect(200);
    let mut busy = Connection::open(sidecar.apps).await;
    busy.send(head(&format!("Content-Length: {}\r\n\r\n{}", hi().len(), hi()))).await;
    plivo.wait_for_requests(1, PATIENCE).await.unwrap();

    for _ in 0..5 {
        let refused = sidecar.send(&json!({"to": "+14155550199", "text": "hi"})).await;
        refused.refused(503, "spool.full");
        assert_eq!(refused.header("retry-after"), Some("1"), "{refused}");
        assert_eq!(
            refused.header("link"),
            Some("</problems/spool.full>; rel=\"help\""),
            "{refused}"
        );
        assert_eq!(refused.json()["type"], page["type"], "{refused}");
    }
    // No door has read it, so it is not in Plivo's form either.
    let plivos = sidecar.post("/v1/Account/MAXXXXXXXXXXXXXXXXXX/Message/").bearer(TOKEN);
    plivos.json(&json!({})).answer().await.refused(503, "spool.full");
    let metrics = sidecar.admin("/metrics").await.text;
    for series in [
        "sendgate_connections_limit{listener=\"apps\"} 1",
        "sendgate_connections_refused_total{listener=\"apps\"} 6",
    ] {
        assert!(metrics.lines().any(|line| line == series), "{series} is not in\n{metrics}");
    }
    assert!(sidecar.log.text().contains("connections are refused"), "{}", sidecar.log.text());

    plivo.release();
    assert_eq!(status(&busy.answer().await), 202);
    drop(busy);
    let taken = async || {
        let answer = sidecar.send(&json!({"to": "+14155550199", "text": "hi"})).await;
        (answer.status == 202).then_some(())
    };
    eventually("there is room again", taken).await;
    assert_eq!(plivo.sends().len(), 2);
    sidecar.stop().await;
}

#[tokio::test]
async fn the_other_listeners_are_kept_free_too() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).set("listen.max_connections", 2)).await;
    let mut all = Vec::new();
    for _ in 0..6 {
        let mut stranger = Connection::open(sidecar.admin).await;
        stranger.send(kept("GET", "/livez", None)).await;
        assert_eq!(status(&stranger.answer().await), 200);
        all.push(stranger);
    }
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
