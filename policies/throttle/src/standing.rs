use policy_sdk::state::{LimitKind, Period, Standing};

use crate::limit::Limit;

/// A limit and what is left of it, as the `RateLimit` header fields have it: quota, window, remaining, reset.
///
/// Source: draft-ietf-httpapi-ratelimit-headers-10. Seconds are rounded up; a month counts as thirty days.
pub(crate) fn line(limit: &Limit, standing: &Standing) -> String {
    let (quota, seconds) = match &limit.kind {
        LimitKind::Window(window) => (window.quota, window.per_ms.div_ceil(1_000)),
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

#[cfg(test)]
mod tests {
    use policy_sdk::testing::{Case, sms};

    use crate::Throttle;

    #[test]
    fn what_is_left_of_each_limit_is_noted_as_the_header_fields_have_it() {
        let mut case = Case::<Throttle>::new(
            r#"{"limits": [{"name": "app", "scope": "app", "quota": 10, "per_s": 60},
                           {"name": "pace", "scope": "account", "kind": "gcra", "quota": 2, "per_s": 1, "burst": 4},
                           {"name": "daily", "scope": "account", "kind": "calendar", "quota": 9, "period": "day"}]}"#,
        );
        case.check(&sms());
        let decision = case.at(20).check(&sms());
        for (key, line) in [
            ("ratelimit.app", "q=10;w=60;r=8;t=40"),
            ("ratelimit.pace", "q=2;w=1;r=3;t=1"),
            ("ratelimit.daily", "q=9;w=86400;r=7;t=43180"),
        ] {
            assert_eq!(decision.noted(key), Some(line), "{key}");
        }
    }
}
