//! The wall clock is set in the middle of a run: what follows it does so at once, and all else does not notice.

use jiff::{SignedDuration, Timestamp};
use plivo_sim::{Outage, Step};
use serde_json::{Value, json};

use super::{Faults, sent_once};
use crate::harness::{Answer, Policy, Setup, Sidecar, TO, eventually, plivo, posts};

const HOUR: i64 = 3_600;

/// An instant of the sidecar's clock, so many seconds from now.
fn after(seconds: i64, ahead_s: i64) -> String {
    (Timestamp::now() + SignedDuration::from_secs(seconds + ahead_s)).to_string()
}

async fn send(sidecar: &Sidecar, to: &str, text: &str) -> Answer {
    sidecar.send(&json!({"to": to, "text": text})).await
}

async fn keyed(sidecar: &Sidecar, key: &str, body: &Value) -> Answer {
    sidecar.post("/v1/messages").key(key).json(body).answer().await
}

/// A limit of two an hour for each recipient, of this kind.
fn limit(kind: &str) -> Policy {
    let (scope, burst) = ("recipient", (kind == "gcra").then_some(2));
    let limit = json!({"name": kind, "scope": scope, "kind": kind, "quota": 2, "per_s": HOUR, "burst": burst});
    Policy::new("throttle").set("name", kind).settings(json!({"limits": [limit]}))
}

#[tokio::test]
async fn what_waits_for_its_time_goes_when_the_clock_shows_it_and_not_before() {
    let (plivo, faults) = (plivo().await, Faults::new());
    let sidecar = Sidecar::start(faults.under(Setup::new(&plivo).durable())).await;
    let put_off = async |to: &str, text: &str, at: String| {
        sidecar.queue(&json!({"to": to, "text": text, "not_before": at})).await
    };
    // Late enough for a machine that is slow until the clock is set.
    let soon = put_off("+14155550180", "soon", after(45, 0)).await;
    let in_an_hour = put_off("+14155550181", "in an hour", after(HOUR - 60, 0)).await;
    let later = put_off("+14155550182", "later", after(3 * HOUR, 0)).await;

    // What was less than a minute away is more than an hour away now.
    faults.set_clock(-HOUR);
    let sooner = put_off("+14155550183", "sooner", after(5, -HOUR)).await;
    sidecar.in_status(&sooner, "submitted").await;
    for id in [&soon, &in_an_hour, &later] {
        sidecar.in_status(id, "waiting").await;
    }
    sent_once(&plivo, ["sooner"]);

    faults.set_clock(HOUR);
    for id in [&soon, &in_an_hour] {
        sidecar.in_status(id, "submitted").await;
    }
    sidecar.in_status(&later, "waiting").await;
    sent_once(&plivo, ["sooner", "soon", "in an hour"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_time_to_live_ends_by_the_clock_and_a_step_back_sends_nothing_again() {
    let (plivo, faults) = (plivo().await, Faults::new());
    plivo.fail(Outage::Refuse).await;
    let breaker = json!({"failures": 1, "open_s": 1, "open_max_s": 1});
    let setup = Setup::new(&plivo).durable().set("delivery.breaker", breaker);
    let sidecar = Sidecar::start(faults.under(setup)).await;
    let long = sidecar.queue(&json!({"to": "+14155550180", "text": "long", "ttl_s": 14_000})).await;
    let short = sidecar.queue(&json!({"to": "+14155550181", "text": "short", "ttl_s": 600})).await;

    faults.set_clock(-HOUR);
    sidecar.in_status(&long, "waiting").await;
    sidecar.in_status(&short, "waiting").await;
    faults.set_clock(HOUR);
    let record = sidecar.in_status(&short, "expired").await;
    assert_eq!(record["error_code"], "send.expired", "{record}");
    faults.set_clock(0);
    plivo.restore().await;

    sidecar.in_status(&long, "submitted").await;
    sidecar.in_status(&short, "expired").await;
    sent_once(&plivo, ["long"]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_clock_set_back_frees_no_key_window_or_limit_and_one_set_forward_ends_what_is_over_by_it()
{
    for kind in ["window", "gcra"] {
        let (plivo, faults) = (plivo().await, Faults::new());
        let dedup = Policy::new("dedup").settings(json!({"window_s": HOUR}));
        let setup = Setup::new(&plivo).durable().policy(dedup).policy(limit(kind));
        let sidecar = Sidecar::start(faults.under(setup)).await;
        let body = json!({"to": TO, "text": "a code"});
        let first = keyed(&sidecar, "k1", &body).await;
        first.expect(202);
        send(&sidecar, TO, "b").await.expect(202);

        // An hour back has nothing forgotten, and nothing held for an hour longer.
        for ahead_s in [0, -HOUR] {
            faults.set_clock(ahead_s);
            let again = keyed(&sidecar, "k1", &body).await;
            assert_eq!(again.header("idempotent-replayed"), Some("true"), "{kind}: {again}");
            assert_eq!((again.status, &again.text), (202, &first.text), "{kind}: {again}");
            send(&sidecar, TO, "b").await.refused(409, "dup.content");
            let over = send(&sidecar, TO, "c").await;
            over.refused(429, &format!("throttle.{kind}"));
            let wait: i64 = over.header("retry-after").expect("a time").parse().expect("seconds");
            assert!(wait <= HOUR, "{kind}, {ahead_s}: blocked for longer than the limit: {over}");
        }
        assert_eq!(plivo.sends().len(), 2, "{kind}");

        // Windows and limits follow the clock: an hour later by it, they are over. A key is kept for a day.
        faults.set_clock(60);
        send(&sidecar, TO, "b").await.expect(202);
        send(&sidecar, TO, "d").await.expect(202);
        // Then there is nothing more than the limit again, by whatever clock.
        for ahead_s in [60, 0, -HOUR] {
            faults.set_clock(ahead_s);
            send(&sidecar, TO, "e").await.refused(429, &format!("throttle.{kind}"));
            let again = keyed(&sidecar, "k1", &body).await;
            assert_eq!(again.header("idempotent-replayed"), Some("true"), "{kind}: {again}");
        }
        sent_once(&plivo, ["a code", "b", "b", "d"]);
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn a_try_that_failed_is_repeated_in_seconds_wherever_the_clock_is_set_meanwhile() {
    let (plivo, faults) = (plivo().await, Faults::new());
    let refusals = (0..3).map(|_| Step::status(429).with_header("retry-after", "2"));
    plivo.script(refusals).await;
    let sidecar = Sidecar::start(faults.under(Setup::new(&plivo).durable())).await;
    let id = sidecar.queue(&json!({"to": "+14155550180", "text": "hi"})).await;
    for (calls, ahead_s) in [(1, -HOUR), (2, HOUR), (3, -HOUR)] {
        let tried = async || (posts(&plivo).len() >= calls).then_some(());
        eventually("it is tried again", tried).await;
        faults.set_clock(ahead_s);
    }

    sidecar.in_status(&id, "submitted").await;
    sent_once(&plivo, ["hi"]);
    sidecar.stop().await;
}
