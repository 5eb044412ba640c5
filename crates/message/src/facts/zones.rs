//! Which time zones a number's area may lie in.

use std::sync::LazyLock;

use super::NumberType;

/// Lists of zones, each with the prefixes that have it. Prefixes without an entry have that of the longest shorter one.
const TABLE: &str = include_str!("zones.tsv");

/// Longest prefix in the table, in digits.
const LONGEST_PREFIX: usize = 9;

/// Calling codes whose mobile numbers belong to an area: Mexico, Argentina, Brazil, Indonesia.
///
/// Source: libphonenumber, `GEO_MOBILE_COUNTRIES` (`PhoneNumberUtil.java`); China's and Korea's one zone makes them
/// moot.
const AREA_MOBILES: [u16; 4] = [52, 54, 55, 62];

/// (prefix, zones separated by commas), sorted by prefix.
static ZONES: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let mut entries: Vec<(&str, &str)> = lines
        .filter_map(|line| line.split_once('\t'))
        .flat_map(|(zones, prefixes)| prefixes.split(' ').map(move |prefix| (prefix, zones)))
        .collect();
    entries.sort_unstable();
    entries
});

/// IANA names of the zones of a valid number, given by its digits without `+`; empty where nobody knows.
///
/// A number that is tied to an area has the zones of that area; any other, those of its whole calling code.
pub(super) fn of(digits: &str, calling_code: u16, number_type: NumberType) -> Vec<String> {
    let area = match number_type {
        NumberType::FixedLine | NumberType::FixedLineOrMobile => true,
        NumberType::Mobile => AREA_MOBILES.contains(&calling_code),
        _ => false,
    };
    let code_length = calling_code.checked_ilog10().map_or(0, |log| log as usize + 1);
    let longest = if area { LONGEST_PREFIX } else { code_length }.min(digits.len());
    let prefixes = (1..=longest).rev().filter_map(|length| digits.get(..length));
    prefixes
        .filter_map(|prefix| ZONES.binary_search_by_key(&prefix, |(each, _)| *each).ok())
        .map(|at| ZONES[at].1.split(',').map(str::to_owned).collect())
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        assert_eq!(ZONES.len(), 1_647);
        let prefixes: HashSet<&str> = ZONES.iter().map(|(prefix, _)| *prefix).collect();
        assert_eq!(prefixes.len(), ZONES.len(), "a prefix has two entries");
        for (prefix, zones) in ZONES.iter() {
            assert!((1..=LONGEST_PREFIX).contains(&prefix.len()), "{prefix}");
            assert!(prefix.bytes().all(|b| b.is_ascii_digit()), "{prefix}");
            assert!(zones.split(',').all(|zone| zone.contains('/')), "{prefix}: {zones}");
        }
    }

    #[test]
    fn an_area_has_the_union_of_its_zones() {
        let of = |digits| of(digits, 1, NumberType::FixedLineOrMobile);
        assert_eq!(of("12125550123"), ["America/New_York"]);
        assert_eq!(of("14155550123"), ["America/Los_Angeles"]);
        assert_eq!(of("12085550123"), ["America/Boise", "America/Denver", "America/Los_Angeles"]);
        assert_eq!(of("18505550123"), ["America/Chicago", "America/New_York"]);
    }

    #[test]
    fn a_mobile_number_may_be_anywhere_under_its_calling_code() {
        assert_eq!(of("33612345678", 33, NumberType::Mobile), ["Europe/Paris"]);
        let russian = of("79161234567", 7, NumberType::Mobile);
        assert!(
            russian.len() > 5 && russian.iter().any(|zone| zone == "Europe/Moscow"),
            "{russian:?}"
        );
        assert!(
            of("5491123456789", 54, NumberType::Mobile)
                .iter()
                .all(|zone| zone.contains("Buenos_Aires"))
        );
    }

    #[test]
    fn an_unknown_calling_code_has_no_zones() {
        assert!(of("99912345678", 999, NumberType::Mobile).is_empty());
        assert!(of("", 0, NumberType::FixedLine).is_empty());
    }
}
