//! Codes that nobody enters.
//!
//! Of messages to a region so many may stay without a conversion as a share of those that had one (Authgear's "fraud
//! protection" has the same rule). Days and hours are those of UTC.

use policy_sdk::state::{self, Calendar, Charge, LimitKind, Period, StateError, Taken, Window};
use policy_sdk::{Context, Facts, Message, Receipt};

use crate::Trip;
use crate::settings::Conversion;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Days whose best one counts.
const DAYS: u64 = 14;

/// What was converted to a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Converted {
    /// Today.
    day: u32,
    /// In this hour and the one before.
    hours: u32,
    /// On the best of the last days.
    best: u32,
}

/// Whether too many messages to the recipient's region had no conversion.
pub(crate) fn check(
    rule: &Conversion,
    message: &Message,
    facts: &Facts,
    context: &Context,
) -> Result<Option<Trip>, StateError> {
    let region = facts.number.region.as_str();
    if !rule.told || region.is_empty() || !rule.intents.contains(&message.intent) {
        return Ok(None);
    }
    let (day, hour) = budgets(rule, converted(region, context.now_ms)?);
    let day = Calendar { quota: day, period: Period::Day, zone: "UTC".into() };
    let hour = Window { quota: hour, per_ms: HOUR_MS };
    let charges = [("day", LimitKind::Calendar(day)), ("hour", LimitKind::Window(hour))];
    let charges = charges.map(|(name, kind)| Charge {
        limit: format!("unconverted-{name}"),
        key: region.to_owned(),
        kind,
        cost: 1,
        queue: false,
    });
    Ok(match state::take(&charges)? {
        Taken::Ok(_) => None,
        Taken::Refused(refusals) => {
            let wait_ms = refusals.iter().map(|refusal| refusal.wait_ms).max().unwrap_or(0);
            let detail = "too few of the messages to this country were of use to anybody";
            Some(Trip::new("conversion", "fraud.conversion", detail).wait(wait_ms))
        }
    })
}

/// Counts a conversion, each message's once, in whole.
pub(crate) fn learn(
    rule: &Conversion,
    receipt: &Receipt,
    context: &Context,
) -> Result<(), StateError> {
    let counts = rule.told && !receipt.region.is_empty() && rule.intents.contains(&receipt.intent);
    let mark = format!("converted-{}", receipt.id);
    if !counts || state::get(&mark)?.is_some() {
        return Ok(());
    }
    let (region, day, hour) = (&receipt.region, context.now_ms / DAY_MS, context.now_ms / HOUR_MS);
    state::increment(&hour_key(region, hour), 1, 2 * HOUR_MS)?;
    let sum = state::increment(&day_key(region, day), 1, DAY_MS)?;
    // Sums are exact whoever else counts at this moment, and the greatest one stays.
    let best_key = format!("best-{region}");
    let mut days = best_days(&best_key, day)?;
    days.retain(|(known, count)| *known != day || i64::from(*count) > sum);
    if days.iter().all(|(known, _)| *known != day) {
        days.push((day, u32::try_from(sum).unwrap_or(u32::MAX)));
    }
    let text: Vec<String> = days.iter().map(|(day, count)| format!("{day}:{count}")).collect();
    state::put(&best_key, text.join(" ").as_bytes(), DAYS * DAY_MS, false)?;
    // Last: what failed on the way is counted when it is told again. A sum may have it twice then, which is the lesser
    // harm: one too few refuses messages.
    state::put(&mark, b"", DAY_MS, false).map(drop)
}

/// How many messages may be sent in a day and in an hour: those that were converted, and a share of them on top.
fn budgets(rule: &Conversion, converted: Converted) -> (u32, u32) {
    let Converted { day, hours, best } = converted;
    let of_day = rule.day.max(best.max(day).saturating_mul(3) / 10);
    let of_hour = rule.hour.max(best / 30).max(hours / 5);
    (day.saturating_add(of_day), hours.saturating_add(of_hour))
}

fn converted(region: &str, now_ms: u64) -> Result<Converted, StateError> {
    let (day, hour) = (now_ms / DAY_MS, now_ms / HOUR_MS);
    let hours = count(&hour_key(region, hour))?.saturating_add(count(&hour_key(region, hour - 1))?);
    let days = best_days(&format!("best-{region}"), day)?;
    let best = days.iter().map(|(_, count)| *count).max().unwrap_or(0);
    Ok(Converted { day: count(&day_key(region, day))?, hours, best })
}

/// What was converted on each of the last days that had a conversion.
fn best_days(key: &str, today: u64) -> Result<Vec<(u64, u32)>, StateError> {
    let kept = state::get(key)?.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let read = kept.split(' ').filter_map(|pair| {
        let (day, count) = pair.split_once(':')?;
        Some((day.parse::<u64>().ok()?, count.parse::<u32>().ok()?))
    });
    Ok(read.filter(|(day, _)| day + DAYS > today).collect())
}

fn count(key: &str) -> Result<u32, StateError> {
    Ok(state::get(key)?
        .and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok())
        .unwrap_or(0))
}

fn day_key(region: &str, day: u64) -> String {
    format!("day-{region}-{day}")
}

fn hour_key(region: &str, hour: u64) -> String {
    format!("hour-{region}-{hour}")
}

#[cfg(test)]
mod tests {
    use super::{Converted, budgets};
    use crate::settings::Conversion;

    #[test]
    fn the_budget_grows_with_what_was_converted() {
        let rule = Conversion::default();
        for (day, hours, best, expected) in [
            (0, 0, 0, (20, 3)),
            (31, 4, 31, (51, 7)),
            (100, 20, 100, (130, 24)),
            (0, 0, 1_000, (300, 33)),
            (2_000, 600, 1_000, (2_600, 720)),
        ] {
            assert_eq!(
                budgets(&rule, Converted { day, hours, best }),
                expected,
                "{day} {hours} {best}"
            );
        }
    }
}
