//! Regions that an app never texted before.

use policy_sdk::state::{self, LimitKind, StateError, Window};
use policy_sdk::{Context, Facts};

use crate::settings::{ColdStart, Fanout};
use crate::{Trip, refused};

const DAY_MS: u64 = 86_400_000;
/// How long a region that is not texted stays known, in milliseconds: ninety days.
const KNOWN_MS: u64 = 90 * DAY_MS;

/// Whether an app takes up too many regions, or one too fast.
pub(crate) fn check(
    fanout: &Fanout,
    cold_start: &ColdStart,
    facts: &Facts,
    context: &Context,
) -> Result<Option<Trip>, StateError> {
    let region = facts.number.region.as_str();
    if region.is_empty() || fanout.home.iter().any(|home| home == region) {
        return Ok(None);
    }
    let key = format!("region-{}-{region}", context.app);
    let first_ms = match known(&key)? {
        Some((first_ms, told_ms)) => {
            // Written again only now and then, so that a region in use stays known.
            if context.now_ms.saturating_sub(told_ms) > KNOWN_MS / 4 {
                keep(&key, first_ms, context.now_ms)?;
            }
            first_ms
        }
        None => {
            let per_ms = u64::from(fanout.per_s) * 1_000;
            let window = LimitKind::Window(Window { quota: fanout.quota, per_ms });
            if fanout.quota > 0
                && let Some(wait_ms) = refused("fanout", &context.app, window)?
            {
                let detail = "this app texts too many countries that it never texted before";
                return Ok(Some(Trip::new("fanout", "fraud.region_fanout", detail).wait(wait_ms)));
            }
            keep(&key, context.now_ms, context.now_ms)?;
            context.now_ms
        }
    };
    let age_ms = context.now_ms.saturating_sub(first_ms);
    if cold_start.quota == 0 || age_ms >= u64::from(cold_start.days) * DAY_MS {
        return Ok(None);
    }
    let window = LimitKind::Window(Window { quota: cold_start.quota, per_ms: DAY_MS });
    let refused = refused("cold-start", &format!("{}-{region}", context.app), window)?;
    Ok(refused.map(|wait_ms| {
        let detail = "this country is new to this app, and it has had its messages of a day";
        Trip::new("cold_start", "fraud.new_region", detail).wait(wait_ms)
    }))
}

/// When the region was first texted, and when that was last written.
fn known(key: &str) -> Result<Option<(u64, u64)>, StateError> {
    let read = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).ok()?;
        let (first, told) = text.split_once(' ')?;
        Some((first.parse().ok()?, told.parse().ok()?))
    };
    Ok(state::get(key)?.and_then(read))
}

fn keep(key: &str, first_ms: u64, now_ms: u64) -> Result<(), StateError> {
    state::put(key, format!("{first_ms} {now_ms}").as_bytes(), KNOWN_MS, false).map(drop)
}
