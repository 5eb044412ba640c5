//! Thousands of connections that send nothing.

use serde_json::json;

use super::sent_once;
use crate::harness::{Connection, Setup, Sidecar, TOKEN, plivo};

const IDLE: usize = 2_000;

#[tokio::test]
async fn two_thousand_connections_that_send_nothing_hold_up_nobody_who_is_known() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let mut known = Connection::open(sidecar.apps).await;
    let request = format!(
        "GET /v1/policies HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    );
    known.send(&request).await;
    let answer = known.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (mut idle, mut wanted) = (Vec::new(), Vec::new());
    for nth in 0..IDLE {
        idle.push(Connection::open(sidecar.apps).await);
        if nth % 100 == 99 {
            let text = format!("beside {nth}");
            let body = json!({"to": format!("+1415555{nth:04}"), "text": text});
            sidecar.send(&body).await.expect(202);
            wanted.push(text);
            assert_eq!(sidecar.ready().await.status, 200);
        }
    }

    known.send(&request).await;
    let answer = known.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "who is known was put out: {answer}");
    let metrics = sidecar.admin("/metrics").await.text;
    let open = "sendgate_connections{listener=\"apps\"} ";
    let open = metrics.lines().find_map(|line| line.strip_prefix(open)).expect("a count");
    assert!(open.parse::<usize>().expect("a count") <= 1_024, "{open} are open");
    drop(idle);
    sent_once(&plivo, wanted);
    sidecar.stop().await;
}
