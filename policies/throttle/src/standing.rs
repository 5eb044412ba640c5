use policy_sdk::state::{LimitKind, Period, Standing};

use crate::limit::Limit;

/// A limit and what is left of it, as the `RateLimit` header fields have it: quota, window, remaining, reset.
///
/// Source: draft-ietf-httpapi-ratelimit-headers-10. Seconds are rounded up; a month counts as thirty days.
pub(crate) fn line(limit: &Limit, standing: &Standing) -> String {
    let (quota, seconds) = match &limit.kind {
        LimitKind::Window(window) => (window.quota, window.per_ms.div_ceil(1_000)),
        // What is there after a rest, and how long that takes.
        LimitKind::Gcra(gcra) if gcra.burst > gcra.quota => {
            let filled = gcra.per_ms * u64::from(gcra.burst);
            (gcra.burst, filled.div_ceil(u64::from(gcra.quota.max(1)) * 1_000))
        }
        LimitKind::Gcra(gcra) => (gcra.quota, gcra.per_ms.div_ceil(1_000)),
        LimitKind::Calendar(calendar) => (calendar.quota, days(calendar.period) * 86_400),
    };
    let reset = standing.reset_ms.div_ceil(1_000);
    format!("q={quota};w={seconds};r={};t={reset}", standing.remaining)
}

fn days(period: Period) -> u64 {
    match period {
        Period::Day => 1,
        Period::Week => 7,
        Period::Month => 30,
    }
}
