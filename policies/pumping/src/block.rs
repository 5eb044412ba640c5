//! Blocks of a thousand numbers: who pumps has numbers in a row.

use policy_sdk::state::{self, LimitKind, StateError, Window};
use policy_sdk::{Context, Message, mark};

use crate::settings::Velocity;
use crate::{Trip, refused};

/// How long a closing counts when the next one comes, in milliseconds: two days.
const REMEMBERED_MS: u64 = 2 * 86_400_000;

/// The numbers that differ in their last three digits.
struct Block<'a> {
    key: String,
    /// What all have in common.
    prefix: &'a str,
    /// The last three digits.
    nth: u32,
}

/// Whether the block of the recipient is closed, or is to be closed now.
pub(crate) fn check(
    rule: &Velocity,
    message: &Message,
    context: &Context,
) -> Result<Option<Trip>, StateError> {
    let Some(block) = Block::of(&message.to) else { return Ok(None) };
    let closed = number(&format!("closed-{}", block.key))?;
    if let Some(until_ms) = closed.filter(|until_ms| *until_ms > context.now_ms) {
        let detail = "numbers like this one were texted too fast; the block is closed for a while";
        return Ok(Some(
            Trip::new("closed", "fraud.closed", detail).wait(until_ms - context.now_ms),
        ));
    }
    let per_ms = u64::from(rule.per_s) * 1_000;
    let fast = rule.quota > 0 && is_fast(&block, rule.quota, per_ms)?;
    let in_a_row = rule.run > 0 && is_in_a_row(&block, rule.run, per_ms)?;
    if !fast && !in_a_row {
        return Ok(None);
    }
    let wait_ms = close(&block, rule, context)?;
    let detail =
        "too many numbers of one block were texted in a short time; it is closed for a while";
    Ok(Some(Trip::new("velocity", "fraud.prefix_velocity", detail).wait(wait_ms)))
}

/// Whether this is one number more than `quota` within `per_ms`, in which each counts once, however often it is texted.
fn is_fast(block: &Block<'_>, quota: u32, per_ms: u64) -> Result<bool, StateError> {
    // A reservation, since it is given back together with the charge.
    if state::reserve(&format!("counted-{}", block.mark(block.nth)), per_ms)?.is_some() {
        return Ok(false);
    }
    let window = LimitKind::Window(Window { quota, per_ms });
    Ok(refused("velocity", &block.key, window)?.is_some())
}

/// Whether `least` numbers in a row were texted of which this is one, in whatever order, within `per_ms`.
fn is_in_a_row(block: &Block<'_>, least: u32, per_ms: u64) -> Result<bool, StateError> {
    // Of each it is kept that it was there, and none of its digits.
    let seen = |nth| format!("seen-{}", block.mark(nth));
    state::put(&seen(block.nth), b"1", per_ms, false)?;
    let mut count = 1;
    let below: &mut dyn Iterator<Item = u32> = &mut (0..block.nth).rev();
    for beside in [below, &mut (block.nth + 1..1_000)] {
        for nth in beside {
            if count >= least || state::get(&seen(nth))?.is_none() {
                break;
            }
            count += 1;
        }
    }
    Ok(count >= least)
}

/// Closes the block, for longer each time, and says for how long.
fn close(block: &Block<'_>, rule: &Velocity, context: &Context) -> Result<u64, StateError> {
    let key = format!("closings-{}", block.key);
    let before = number(&key)?.unwrap_or(0);
    let doubled = u64::from(rule.close_s) << before.min(24);
    let wait_ms = doubled.min(rule.close_max_s.into()) * 1_000;
    let until_ms = context.now_ms.saturating_add(wait_ms);
    state::put(&key, (before + 1).to_string().as_bytes(), wait_ms + REMEMBERED_MS, false)?;
    state::put(&format!("closed-{}", block.key), until_ms.to_string().as_bytes(), wait_ms, false)?;
    Ok(wait_ms)
}

fn number(key: &str) -> Result<Option<u64>, StateError> {
    Ok(state::get(key)?.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()))
}

impl<'a> Block<'a> {
    fn of(number: &'a str) -> Option<Self> {
        let (prefix, last) = number.split_at_checked(number.len().checked_sub(3)?)?;
        Some(Self { key: mark("", ["block", prefix]), prefix, nth: last.parse().ok()? })
    }

    /// The mark of its number that ends in `nth`.
    fn mark(&self, nth: u32) -> String {
        mark("", ["number", self.prefix, &format!("{nth:03}")])
    }
}
