//! The fake behind [`zones`](crate::zones): the same data as the host's.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::zones::Offset;

/// For each of `names` the offset that holds at `from_ms`, and every other that begins before `until_ms`, in order;
/// empty where there is no such zone.
pub fn offsets(names: &[String], from_ms: u64, until_ms: u64) -> Vec<Vec<Offset>> {
    names.iter().map(|name| of(name, from_ms, until_ms).unwrap_or_default()).collect()
}

fn of(name: &str, from_ms: u64, until_ms: u64) -> Option<Vec<Offset>> {
    let zone = TimeZone::get(name).ok()?;
    let instant = |ms: u64| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok();
    let (from, until) = (instant(from_ms)?, instant(until_ms)?);
    let first = Offset { since_ms: from_ms, seconds: zone.to_offset(from).seconds() };
    let later = zone.following(from).take_while(|next| next.timestamp() < until).map(|next| {
        let since_ms = u64::try_from(next.timestamp().as_millisecond()).unwrap_or_default();
        Offset { since_ms, seconds: next.offset().seconds() }
    });
    Some(std::iter::once(first).chain(later).collect())
}

#[cfg(test)]
mod tests {
    use super::offsets;

    #[test]
    fn clocks_change_here_as_they_do_at_the_host() {
        // 2026-03-01 and 2026-04-01; in New York clocks go forward on 2026-03-08 at 07:00 UTC.
        let names = ["America/New_York", "nowhere"].map(str::to_owned);
        let found = offsets(&names, 1_772_323_200_000, 1_775_001_600_000);
        let seconds: Vec<_> = found[0].iter().map(|each| (each.since_ms, each.seconds)).collect();
        assert_eq!(seconds, [(1_772_323_200_000, -18_000), (1_772_953_200_000, -14_400)]);
        assert_eq!(found[1], []);
    }
}
