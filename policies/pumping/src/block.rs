//! Blocks of a thousand numbers: who pumps has numbers in a row.

use policy_sdk::state::{self, LimitKind, StateError, Window};
use policy_sdk::{Context, Message, mark};

use crate::settings::Velocity;
use crate::{Trip, refused};

/// How long a closing counts when the next one comes, in milliseconds: two days.
const REMEMBERED_MS: u64 = 2 * 86_400_000;

/// The numbers that differ in their last three digits.
struct Block {
    key: String,
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
    let window = LimitKind::Window(Window { quota: rule.quota, per_ms });
    let fast = rule.quota > 0 && refused("velocity", &block.key, window)?.is_some();
    let in_a_row = rule.run > 0 && run(&block, per_ms)? >= rule.run;
    if !fast && !in_a_row {
        return Ok(None);
    }
    let wait_ms = close(&block, rule, context)?;
    let detail =
        "too many numbers of one block were texted in a short time; it is closed for a while";
    Ok(Some(Trip::new("velocity", "fraud.prefix_velocity", detail).wait(wait_ms)))
}

/// How many numbers were texted in a row, each next to the one before and within `per_ms` of it.
fn run(block: &Block, per_ms: u64) -> Result<u32, StateError> {
    let key = format!("run-{}", block.key);
    let known = state::get(&key)?;
    let known = known.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()?.split_once(' '));
    let known =
        known.and_then(|(nth, count)| Some((nth.parse::<u32>().ok()?, count.parse::<u32>().ok()?)));
    let count = match known {
        Some((nth, count)) if nth == block.nth => count,
        Some((nth, count)) if nth.abs_diff(block.nth) == 1 => count.saturating_add(1),
        _ => 1,
    };
    state::put(&key, format!("{} {count}", block.nth).as_bytes(), per_ms, false)?;
    Ok(count)
}

/// Closes the block, for longer each time, and says for how long.
fn close(block: &Block, rule: &Velocity, context: &Context) -> Result<u64, StateError> {
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

impl Block {
    fn of(number: &str) -> Option<Self> {
        let (block, last) = number.split_at_checked(number.len().checked_sub(3)?)?;
        Some(Self { key: mark("", ["block", block]), nth: last.parse().ok()? })
    }
}
