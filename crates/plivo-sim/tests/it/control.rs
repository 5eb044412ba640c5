//! The routes under `/_sim`.

use plivo_sim::{PlivoSim, SimConfig, Step};
use serde_json::json;

use crate::wire::{SMS, call, send};

#[tokio::test]
async fn a_script_is_one_step_or_several() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    for (script, wanted) in [
        (r#"{"status":500}"#, [500, 202, 202]),
        (r#"[{"status":503},{"reset":true}]"#, [503, 0, 202]),
    ] {
        assert_eq!(call(&sim, "PUT", "/_sim/script", script).await.status, 200, "{script}");
        let statuses = [
            send(&sim, SMS).await.status,
            send(&sim, SMS).await.status,
            send(&sim, SMS).await.status,
        ];
        assert_eq!(statuses, wanted, "{script}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_script_replaces_what_waited_and_an_empty_one_clears_it() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    for (script, wanted) in [(r#"{"status":503}"#, [503, 202]), ("[]", [202, 202])] {
        sim.script([Step::status(500), Step::status(501)]).await;

        assert_eq!(call(&sim, "PUT", "/_sim/script", script).await.status, 200, "{script}");

        let statuses = [send(&sim, SMS).await.status, send(&sim, SMS).await.status];
        assert_eq!(statuses, wanted, "{script}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn the_handle_adds_to_what_waits() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    assert_eq!(call(&sim, "PUT", "/_sim/script", r#"{"status":500}"#).await.status, 200);
    sim.script([Step::status(503)]).await;
    let statuses = [send(&sim, SMS).await.status, send(&sim, SMS).await.status];
    assert_eq!(statuses, [500, 503]);
    sim.stop().await;
}

#[tokio::test]
async fn a_script_with_a_fault_is_refused_whole_and_says_why() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    sim.script([Step::status(503)]).await;
    for (script, word) in [
        (r#"[{"status":500},{"status":99}]"#, "99"),
        (r#"{"stat":500}"#, "stat"),
        ("{", "EOF"),
        (r#""500""#, "struct Step"),
    ] {
        let answer = call(&sim, "PUT", "/_sim/script", script).await;
        assert_eq!(answer.status, 400, "{script}");
        assert!(answer.error().contains(word), "{script}: {}", answer.error());
    }
    let statuses = [send(&sim, SMS).await.status, send(&sim, SMS).await.status];
    assert_eq!(statuses, [503, 202], "what waited before still waits");
    sim.stop().await;
}

#[tokio::test]
async fn sends_and_requests_are_shown_and_forgotten() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    send(&sim, SMS).await;

    let sends = call(&sim, "GET", "/_sim/sends", "").await.json();
    assert_eq!(sends.as_array().unwrap().len(), 1);
    assert_eq!(
        (&sends[0]["dst"], &sends[0]["state"], &sends[0]["type"]),
        (&json!("14155550123"), &json!("queued"), &json!("sms"))
    );
    let requests = call(&sim, "GET", "/_sim/requests", "").await;
    assert!(!requests.body.contains("Basic"), "{}", requests.body);
    assert_eq!(requests.json()[0]["authorization"], "valid");
    assert_eq!(requests.json()[0]["body"], SMS);
    assert_eq!(requests.json().as_array().unwrap().len(), 1, "control calls are not shown");

    assert_eq!(call(&sim, "DELETE", "/_sim", "").await.status, 200);
    assert_eq!(call(&sim, "GET", "/_sim/sends", "").await.body, "[]");
    assert_eq!(call(&sim, "GET", "/_sim/requests", "").await.body, "[]");
    sim.stop().await;
}

#[tokio::test]
async fn a_list_is_no_object() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    for (control, body) in [
        ("script", "[[418]]"),
        ("script", "[[]]"),
        ("outage", "[503]"),
        ("clock", "[5000]"),
        ("list_delay", "[5]"),
        ("reports", "[]"),
    ] {
        let answer = call(&sim, "PUT", &format!("/_sim/{control}"), body).await;
        assert_eq!(answer.status, 400, "{control} took {body}");
        assert!(answer.error().contains("a list, and no object"), "{}", answer.error());
    }
    sim.stop().await;
}

#[tokio::test]
async fn an_unknown_control_says_which_there_are() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let answer = call(&sim, "GET", "/_sim/scripts", "").await;
    assert_eq!(answer.status, 404);
    assert!(answer.error().contains("PUT script"), "{}", answer.error());
    sim.stop().await;
}

#[tokio::test]
async fn connections_can_be_refused_by_script() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let script = r#"{"refuse_connections_ms":600000}"#;
    assert_eq!(call(&sim, "PUT", "/_sim/script", script).await.status, 200);
    let err = tokio::net::TcpStream::connect(sim.address()).await.unwrap_err();
    assert_eq!(err.kind(), std::io::ErrorKind::ConnectionRefused);
    sim.stop().await;
}

#[tokio::test]
async fn a_script_is_bounded() {
    let sim = PlivoSim::start(SimConfig::default()).await;
    let steps = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
    for _ in 0..2 {
        assert_eq!(call(&sim, "PUT", "/_sim/script", &steps(10_000)).await.status, 200);
    }
    let more = call(&sim, "PUT", "/_sim/script", &steps(10_001)).await;
    assert_eq!(more.status, 400);
    assert!(more.error().contains("10001 steps"), "{}", more.error());
    sim.stop().await;
}
