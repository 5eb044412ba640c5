//! What reads a server's answers, by a name that `fuzz` can call.

use std::time::Duration;

use message::{Charge, LimitKind, Taken, Window};
use redis::{FromRedisValue, Value};
use store::Fingerprint;

use crate::keys::read_claim;
use crate::ledger::{holder, read_take};
use crate::reports::page;

/// An answer of a server that may say anything, as the protocol writes it (RESP2 and RESP3). Each script's reader takes
/// it, and panics where what it read does not hold.
///
/// # Panics
///
/// There.
pub fn answer(bytes: &[u8]) {
    let Ok(answer) = redis::parse_redis_value(bytes) else { return };
    claim(&answer);
    take(&answer);
    reports(&answer);
    let _held = heard::<Option<(String, u64)>>(&answer).flatten().map(holder);
    let _kept = heard::<Option<Vec<u8>>>(&answer);
    let _counted = heard::<Option<i64>>(&answer);
}

/// A key is ours only by one word.
fn claim(answer: &Value) {
    let own = Fingerprint::from_json("[]").expect("an empty one");
    let mut anothers = false;
    if let Ok(claim) = read_claim(&own, answer.clone(), || anothers = true) {
        assert_eq!(claim.is_some(), anothers, "{claim:?}");
    }
}

/// Charges are refused for a reason, or all of them stand.
fn take(answer: &Value) {
    let kind = || LimitKind::Window(Window { quota: 1, per: Duration::from_secs(1) });
    let charge = |limit: &str| {
        let (limit, key) = (limit.into(), "k".into());
        Charge { limit, key, kind: kind(), cost: 1, queue: false }
    };
    let charges = [charge("a"), charge("b")];
    let Some(answer) = heard::<Vec<u64>>(answer) else { return };
    match read_take(&answer, &charges, Vec::new) {
        Ok(Taken::Ok { standings, .. }) => assert_eq!(standings.len(), charges.len()),
        Ok(Taken::Refused(refusals)) => assert!(!refusals.is_empty(), "refused for nothing"),
        Err(_) => {}
    }
}

/// Places go forward, whatever the server counts.
fn reports(answer: &Value) {
    let Some(answer) = heard::<(u64, u64, Vec<Value>)>(answer) else { return };
    let first = page(None, answer.clone());
    let Some(mut place) = first.reports.last().map(|report| report.place.clone()) else { return };
    let next = page(Some(&place), answer);
    place.pass(next.lost);
    for page in [first, next] {
        assert!(page.reports.is_sorted_by_key(|report| report.place.nth), "{page:?}");
    }
}

fn heard<T: FromRedisValue>(answer: &Value) -> Option<T> {
    redis::from_redis_value_ref(answer).ok()
}
