//! What clocks show in a time zone.

use jiff::tz::TimeZone;

use crate::Timestamp;

/// The offset from UTC, in seconds, that holds in `zone` at `from`, and every other that begins before `until`, each
/// with the instant from which it holds; empty where no such zone is known.
pub fn offsets(zone: &str, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, i32)> {
    let Ok(zone) = TimeZone::get(zone) else { return Vec::new() };
    let (Some(first), Some(last)) = (instant(from), instant(until)) else { return Vec::new() };
    let mut offsets = vec![(from, zone.to_offset(first).seconds())];
    for next in zone.following(first).take_while(|next| next.timestamp() < last) {
        let since = u64::try_from(next.timestamp().as_millisecond()).unwrap_or_default();
        let seconds = next.offset().seconds();
        // A change of name alone, such as from standard time to daylight saving time of another year, moves no clock.
        if offsets.last().is_none_or(|(_, before)| *before != seconds) {
            offsets.push((Timestamp(since), seconds));
        }
    }
    offsets
}

fn instant(at: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let instant: jiff::Timestamp = text.parse().unwrap();
        Timestamp(u64::try_from(instant.as_millisecond()).unwrap())
    }

    #[test]
    fn a_year_has_both_changes_of_the_clock_and_the_offset_before_them() {
        let (from, until) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        let (spring, autumn) = (at("2026-03-08T07:00:00Z"), at("2026-11-01T06:00:00Z"));
        let new_york = offsets("America/New_York", from, until);
        assert_eq!(new_york, [(from, -18_000), (spring, -14_400), (autumn, -18_000)]);
        assert_eq!(offsets("America/Phoenix", from, until), [(from, -25_200)]);
        assert_eq!(offsets("Asia/Kathmandu", from, until), [(from, 20_700)]);
    }

    #[test]
    fn a_change_counts_from_its_own_instant_and_the_end_is_not_part_of_it() {
        let change = at("2026-03-08T07:00:00Z");
        let before = Timestamp(change.0 - 1);
        assert_eq!(offsets("America/New_York", before, change), [(before, -18_000)]);
        assert_eq!(offsets("America/New_York", change, change), [(change, -14_400)]);
        let past = Timestamp(change.0 + 1);
        assert_eq!(offsets("America/New_York", before, past).len(), 2);
    }

    #[test]
    fn what_is_no_zone_and_no_instant_has_no_offsets() {
        let now = at("2026-01-01T00:00:00Z");
        for zone in ["", "America/Nowhere", "EST5EDT,M3.2.0", "../etc/passwd"] {
            assert_eq!(offsets(zone, now, now), [], "{zone}");
        }
        assert_eq!(offsets("UTC", Timestamp(u64::MAX), Timestamp(u64::MAX)), []);
    }

    #[test]
    fn every_zone_that_a_number_may_have_is_known() {
        let now = at("2026-01-01T00:00:00Z");
        let table = include_str!("zones.tsv").lines().filter(|line| !line.starts_with('#'));
        for zone in
            table.filter_map(|line| line.split('\t').next()).flat_map(|list| list.split(','))
        {
            assert_eq!(offsets(zone, now, now).len(), 1, "{zone}");
        }
    }
}
