//! The Redis is away, and comes back.

use std::time::{Duration, Instant};

use tokio::net::UnixDatagram;

use super::gate::Gate;
use super::{connected, cut_off, id, is_replay, keyed, replica, text, three, throttle, trouble};
use crate::harness::{Folder, Policy, Redis, Sidecar, eventually, plivo, run_to_end};

#[tokio::test]
async fn without_the_redis_keys_are_refused_and_sends_without_keys_go_on() {
    let (mut redis, plivo) = (Redis::start(), plivo().await);
    let replicas = three(&replica(&plivo, &redis.url())).await;
    let before = keyed(&replicas[0], "before", &text("before")).await;

    redis.kill();
    for replica in &replicas {
        cut_off(replica).await;
        let refused = keyed(replica, "meanwhile", &text("meanwhile")).await;
        refused.refused(503, "idem.unavailable");
        assert!(refused.header("retry-after").is_some(), "{refused}");
    }
    assert_eq!(plivo.sends().len(), 1);
    let own = keyed(&replicas[0], "before", &text("before")).await;
    assert_eq!((id(&own), is_replay(&own)), (id(&before), true), "its own database knows it");
    replicas[1].send(&text("no key")).await.expect(202);

    redis.start_again();
    for replica in &replicas {
        connected(replica).await;
    }
    let first = keyed(&replicas[0], "meanwhile", &text("meanwhile")).await;
    let again = keyed(&replicas[2], "meanwhile", &text("meanwhile")).await;
    assert_eq!((id(&again), is_replay(&again)), (id(&first), true));
    assert_eq!(plivo.sends().len(), 3);
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test]
async fn a_limit_that_is_to_reject_has_the_policy_fail_until_the_redis_is_back() {
    let (mut redis, plivo) = (Redis::start(), plivo().await);
    let setup = replica(&plivo, &redis.url()).policy(throttle(2, "reject"));
    let replicas = three(&setup).await;
    replicas[0].send(&text("one")).await.expect(202);

    redis.kill();
    for replica in &replicas {
        cut_off(replica).await;
        replica.send(&text("meanwhile")).await.refused(503, "policy.module_failed");
    }
    assert_eq!(plivo.sends().len(), 1);

    // It comes back empty, so what was used before is forgotten.
    redis.start_again();
    for replica in &replicas {
        connected(replica).await;
    }
    replicas[1].send(&text("two")).await.expect(202);
    replicas[2].send(&text("three")).await.expect(202);
    replicas[0].send(&text("four")).await.refused(429, "throttle.app");
    assert_eq!(plivo.sends().len(), 3);
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test]
async fn a_limit_whose_policy_may_fail_lets_everything_through() {
    let (mut redis, plivo) = (Redis::start(), plivo().await);
    let open = throttle(1, "reject").set("on_failure", "accept");
    let [one, two, three] = three(&replica(&plivo, &redis.url()).policy(open)).await;
    redis.kill();
    cut_off(&one).await;

    for nth in 0..3 {
        one.send(&text(&format!("text {nth}"))).await.expect(202);
    }

    for replica in [one, two, three] {
        replica.stop().await;
    }
}

#[tokio::test]
async fn a_limit_that_is_local_is_counted_by_each_replica_alone_and_together_again_afterwards() {
    let (mut redis, plivo) = (Redis::start(), plivo().await);
    let setup = replica(&plivo, &redis.url()).policy(throttle(2, "local"));
    let replicas = three(&setup).await;

    redis.kill();
    for (nth, replica) in replicas.iter().enumerate() {
        cut_off(replica).await;
        for text in [text(&format!("{nth} first")), text(&format!("{nth} second"))] {
            replica.send(&text).await.expect(202);
        }
        replica.send(&text("too many")).await.refused(429, "throttle.app");
    }
    assert_eq!(plivo.sends().len(), 6);

    redis.start_again();
    for replica in &replicas {
        connected(replica).await;
    }
    replicas[0].send(&text("together, first")).await.expect(202);
    replicas[1].send(&text("together, second")).await.expect(202);
    replicas[2].send(&text("too many")).await.refused(429, "throttle.app");
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test]
async fn repeats_are_told_apart_by_each_replica_alone_where_dedup_is_local() {
    let (mut redis, plivo) = (Redis::start(), plivo().await);
    let dedup = Policy::new("dedup")
        .settings(serde_json::json!({"window_s": 3600, "on_unavailable": "local"}));
    let [one, two, three] = three(&replica(&plivo, &redis.url()).policy(dedup)).await;
    redis.kill();

    for replica in [&one, &two] {
        cut_off(replica).await;
        replica.send(&text("hi")).await.expect(202);
        replica.send(&text("hi")).await.refused(409, "dup.content");
    }

    assert_eq!(plivo.sends().len(), 2);
    for replica in [one, two, three] {
        replica.stop().await;
    }
}

#[tokio::test]
async fn a_redis_that_answers_later_than_it_is_waited_for_stays_away_until_it_is_quick_again() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    let gate = Gate::before(redis.port).await;
    let setup = replica(&plivo, &gate.url()).set("store.shared_timeout_ms", 500);
    let sidecar = Sidecar::start(setup).await;
    connected(&sidecar).await;

    gate.slow(Duration::from_millis(650));

    keyed(&sidecar, "order-17", &text("hi")).await.refused(503, "idem.unavailable");
    // Tries to connect that are quick enough are no reason to use it.
    let seen = async || {
        let tried = sidecar.log.text().matches("the shared store is up").count();
        assert_eq!(tried, 1, "{}", sidecar.log.text());
        sidecar.log.text().contains("no answer within 500ms").then_some(())
    };
    eventually("it was tried again", seen).await;
    let until = Instant::now() + Duration::from_secs(6);
    while Instant::now() < until {
        keyed(&sidecar, "order-17", &text("hi")).await.refused(503, "idem.unavailable");
        assert!(trouble(&sidecar).await.is_string());
        seen().await;
    }
    let ended = doctored(&sidecar).await;
    assert!(ended.contains("and is waited for 500 ms"), "{ended}");

    gate.slow(Duration::ZERO);
    connected(&sidecar).await;
    keyed(&sidecar, "order-17", &text("hi")).await.expect(202);
    sidecar.stop().await;
}

/// What `doctor` says beside it.
async fn doctored(sidecar: &Sidecar) -> String {
    run_to_end("doctor", &sidecar.folder, &[]).await.log.text()
}

#[tokio::test]
async fn a_redis_that_takes_requests_and_answers_none_is_away_too() {
    let (redis, plivo) = (Redis::start(), plivo().await);
    let gate = Gate::before(redis.port).await;
    let folder = Folder::new();
    let socket = folder.path().join("notify.sock");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let mut setup = replica(&plivo, &gate.url()).policy(throttle(1, "local"));
    setup.environment.push(("NOTIFY_SOCKET".into(), socket.to_string_lossy().into_owned()));
    let sidecar = Sidecar::start_in(folder, setup.set("store.shared_timeout_ms", 500)).await;
    connected(&sidecar).await;

    gate.close();

    sidecar.send(&text("counted alone")).await.expect(202);
    cut_off(&sidecar).await;
    let told = async || {
        let mut bytes = [0; 512];
        let length = manager.recv(&mut bytes).await.ok()?;
        let line = String::from_utf8_lossy(&bytes[..length]);
        line.contains("sends are taken; what replicas share cannot be used: ").then_some(())
    };
    eventually("the service manager is told", told).await;
    sidecar.send(&text("too many")).await.refused(429, "throttle.app");
    keyed(&sidecar, "order-17", &text("hi")).await.refused(503, "idem.unavailable");
    gate.open();
    connected(&sidecar).await;
    assert_eq!(plivo.sends().len(), 1);
    sidecar.stop().await;
}
