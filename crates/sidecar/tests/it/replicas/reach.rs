//! A Redis that cannot be used from the start: the sidecar says so, and serves what needs none.

use serde_json::json;

use super::{connected, cut_off, keyed, replica, text, trouble};
use crate::harness::{Redis, Sidecar, plivo};

const PASSWORD: &str = "swordfish-of-the-redis";
const WRONG: &str = "not-the-swordfish";

#[tokio::test]
async fn a_wrong_password_is_said_and_shown_nowhere() {
    let (redis, plivo) = (Redis::start_with(&["--requirepass", PASSWORD]), plivo().await);
    let start = async |password: &str| {
        let url = format!("redis://:{password}@127.0.0.1:{}", redis.port);
        let setup = replica(&plivo, "").set("store.shared", json!({"env": "REDIS_URL"}));
        Sidecar::start(setup.environment("REDIS_URL", &url).set("telemetry.log", "debug")).await
    };

    let (wrong, right) = (start(WRONG).await, start(PASSWORD).await);

    connected(&right).await;
    keyed(&right, "order-17", &text("hi")).await.expect(202);
    cut_off(&wrong).await;
    let why = trouble(&wrong).await;
    assert!(why.as_str().is_some_and(|why| why.contains("password")), "{why}");
    keyed(&wrong, "order-18", &text("hi")).await.refused(503, "idem.unavailable");
    wrong.send(&text("no key")).await.expect(202);
    let logs = [wrong.stop().await, right.stop().await];
    let said = logs[0].text();
    assert!(said.contains("the shared store is away"), "{said}");
    for log in logs {
        let shown = [WRONG, PASSWORD].iter().any(|password| log.text().contains(password));
        assert!(!shown, "a password is in the log");
    }
}

#[tokio::test]
async fn a_redis_that_comes_later_is_found_without_a_restart() {
    let (mut redis, plivo) = (Redis::start(), plivo().await);
    redis.kill();

    let sidecar = Sidecar::start(replica(&plivo, &redis.url())).await;

    cut_off(&sidecar).await;
    keyed(&sidecar, "order-17", &text("hi")).await.refused(503, "idem.unavailable");
    sidecar.send(&text("no key")).await.expect(202);
    redis.start_again();
    connected(&sidecar).await;
    keyed(&sidecar, "order-17", &text("hi")).await.expect(202);
    sidecar.stop().await;
}
