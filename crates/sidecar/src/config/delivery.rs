//! `[delivery]`: how long an answer waits, how Plivo is spared, and what becomes of messages nobody knows about.

mod breaker;
mod looks;
mod schedule;
#[cfg(test)]
mod tests;
mod unresolved;

use std::sync::Arc;
use std::time::Duration;

use message::limits::EXPIRY_S;

pub use self::breaker::BreakerSettings;
pub use self::looks::Looks;
pub use self::unresolved::{OnUnresolved, OnUnresolvedTable};

use super::cursor::Section;

/// Longest that any answer may wait, in milliseconds.
const MOST_WAIT_MS: u32 = 60_000;
/// Where official SDKs lose patience (Python's and PHP's give up after 5 s), with half a second for the way.
const SDK_PATIENCE: Duration = Duration::from_millis(4_500);
/// Most times at which Plivo's list is asked for one message.
const MOST_SETTLE: usize = 8;
/// When Plivo's list is asked by default: messaging.md 3.4.
const SETTLE_S: [u32; 3] = [20, 60, 180];

/// How a message gets from here to Plivo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverySettings {
    /// Most that an answer waits for Plivo's; 0 answers at once. Default 10 s.
    pub wait: Duration,
    /// The same on the door for Plivo's own SDKs. Default 4 s.
    pub compat_wait: Duration,
    /// Most that a repeated request waits for the first one's answer. Default 2 s.
    pub join: Duration,
    /// How long a message is worth sending that does not say so itself; Plivo's default where absent.
    pub ttl: Option<Duration>,
    /// Most messages that are being decided about or have not come to their end, but for those that wait for a time of
    /// their own. Default 10,000.
    pub queue_max: usize,
    /// Most messages that wait for a time of their own. Default 10,000.
    pub scheduled_max: usize,
    /// What becomes of messages in doubt that stay so. Default: they count as failed.
    pub on_unresolved: OnUnresolvedTable,
    /// How long after a call of unknown outcome Plivo's list is asked; 1 to 8, each later than the one before. Default
    /// 20 s, 60 s, 180 s.
    pub settle: Arc<[Duration]>,
    /// When Plivo is asked what became of a message that it took.
    pub looks: Looks,
    /// Where reports arrive, looks begin after this long without one. Default 10 min.
    pub report_silence: Duration,
    /// When sends are held back.
    pub breaker: BreakerSettings,
    /// Retries, of a hundred first attempts. Default 20.
    pub retry_budget_percent: u32,
    /// What Plivo's 503 means. Default: the message was not taken.
    pub treat_503: Treat503,
}

/// What Plivo's 503 means for the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Treat503 {
    /// It was turned away before any work, and is tried again.
    #[default]
    Retry,
    /// It may have been sent all the same.
    InDoubt,
}

impl DeliverySettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        section.or_default("ttl_s", "10800");
        let ttl = section.get("ttl_s").and_then(|item| item.number(EXPIRY_S));
        let delivery = Self {
            wait: section.millis("wait_ms", 10_000, 0..=MOST_WAIT_MS),
            compat_wait: section.millis("compat_wait_ms", 4_000, 0..=MOST_WAIT_MS),
            join: section.millis("join_ms", 2_000, 0..=MOST_WAIT_MS),
            ttl: ttl.map(|seconds| Duration::from_secs(seconds.into())),
            queue_max: section.size("queue_max", 10_000, 1..=1_000_000),
            scheduled_max: section.size("scheduled_max", 10_000, 1..=1_000_000),
            on_unresolved: OnUnresolvedTable::read(&mut section),
            settle: settle(&mut section),
            looks: Looks::read(&mut section),
            report_silence: section.seconds("report_silence_s", 600, 1..=86_400),
            breaker: BreakerSettings::read(section.section("breaker")),
            retry_budget_percent: section.number("retry_budget_percent", 20, 0..=100),
            treat_503: section
                .word("treat_503", &[("retry", Treat503::Retry), ("in_doubt", Treat503::InDoubt)]),
        };
        if delivery.compat_wait > SDK_PATIENCE {
            let detail = "is longer than some of Plivo's SDKs wait (5 s): they may give up and send again; 4000 is \
             safe";
            section.reading().warn(&section.spot_of("compat_wait_ms"), detail);
        }
        section.finish();
        delivery
    }
}

/// Times after one instant, so each must be later than the one before.
fn settle(section: &mut Section<'_>) -> Arc<[Duration]> {
    let settle = schedule::read(section, "settle_s", &SETTLE_S, MOST_SETTLE, 1..=3_600);
    if !settle.is_sorted_by(|earlier, later| earlier < later) {
        let detail =
            "has a time that is not later than the one before; all of them count from the call";
        section.reading().fault(&section.spot_of("settle_s"), detail);
    }
    settle
}
