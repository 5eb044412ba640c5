use policy_sdk::testing::{Case, facts, sms};
use policy_sdk::{Decision, Edit, Facts, Message};

use super::QuietHours;

/// 2026-07-01 01:30 UTC, when it is 21:30 in New York.
const EVENING_MS: u64 = 1_782_869_400_000;
const HOUR_MS: u64 = 3_600_000;

fn marketing() -> Message {
    Message { intent: "marketing".into(), to: "+12125550123".into(), ..sms() }
}

fn in_zones(message: &Message, zones: &[&str]) -> Facts {
    let mut facts = facts(message);
    facts.number.zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
    facts
}

/// What `settings` say of `message` at `now_ms`, where the number may be in `zones`.
fn asked(settings: &str, message: &Message, zones: &[&str], now_ms: u64) -> Decision {
    let mut case = Case::<QuietHours>::new(settings);
    case.context.now_ms = now_ms;
    case.check_with(message, &in_zones(message, zones))
}

/// When it is sent, in milliseconds after `from_ms`; none where it is not put off.
fn deferred(decision: &Decision, from_ms: u64) -> Option<u64> {
    assert_eq!(decision.refused_with(), None);
    let change = decision.changes().first()?;
    assert_eq!(change.code, "quiet.deferred");
    match change.edits[..] {
        [Edit::SetNotBeforeMs(at_ms)] => Some(at_ms - from_ms),
        _ => panic!("{change:?}"),
    }
}

const NEW_YORK: [&str; 1] = ["America/New_York"];

#[test]
fn marketing_in_the_evening_waits_for_the_morning() {
    let decision = asked("{}", &marketing(), &NEW_YORK, EVENING_MS);
    // 08:00 in New York is 12:00 UTC.
    assert_eq!(deferred(&decision, EVENING_MS), Some(10 * HOUR_MS + HOUR_MS / 2));
    assert_eq!(decision.noted("quiet.zones"), Some("America/New_York"));
}

#[test]
fn the_end_of_the_hours_is_not_part_of_them_and_their_beginning_is() {
    let nine = EVENING_MS - HOUR_MS / 2;
    assert_eq!(deferred(&asked("{}", &marketing(), &NEW_YORK, nine - 1), 0), None);
    assert!(deferred(&asked("{}", &marketing(), &NEW_YORK, nine), 0).is_some());
    let eight = EVENING_MS + 10 * HOUR_MS + HOUR_MS / 2;
    assert_eq!(deferred(&asked("{}", &marketing(), &NEW_YORK, eight - 1), eight), Some(0));
    assert_eq!(deferred(&asked("{}", &marketing(), &NEW_YORK, eight), 0), None);
}

#[test]
fn every_other_intent_may_be_sent_at_any_time() {
    for intent in ["otp", "notification", "security", ""] {
        let message = Message { intent: intent.into(), ..marketing() };
        assert_eq!(asked("{}", &message, &NEW_YORK, EVENING_MS), Decision::accept(), "{intent}");
    }
    let settings = r#"{"intents": ["notification"]}"#;
    let message = Message { intent: "notification".into(), ..marketing() };
    assert!(deferred(&asked(settings, &message, &NEW_YORK, EVENING_MS), 0).is_some());
}

#[test]
fn an_area_in_two_zones_is_open_when_both_are() {
    let zones = ["America/New_York", "America/Los_Angeles"];
    let decision = asked("{}", &marketing(), &zones, EVENING_MS);
    // At 12:00 UTC it is 05:00 in Los Angeles; at 15:00 UTC 08:00.
    assert_eq!(deferred(&decision, EVENING_MS), Some(13 * HOUR_MS + HOUR_MS / 2));
    assert_eq!(decision.noted("quiet.zones"), Some("America/New_York and 1 more"));
}

#[test]
fn on_the_night_of_a_change_the_opening_is_eight_on_the_clock_there() {
    // 2026-11-01 05:30 UTC, 01:30 in New York for the first time; 08:00 is 13:00 UTC, no longer 12:00.
    let autumn = 1_793_511_000_000;
    let decision = asked("{}", &marketing(), &NEW_YORK, autumn);
    assert_eq!(deferred(&decision, autumn), Some(7 * HOUR_MS + HOUR_MS / 2));
    let again = asked("{}", &marketing(), &NEW_YORK, autumn + HOUR_MS);
    assert_eq!(deferred(&again, autumn), Some(7 * HOUR_MS + HOUR_MS / 2));
    // 2026-03-08 06:30 UTC, 01:30 in New York; clocks go forward at 07:00 UTC, so 08:00 is 12:00 UTC.
    let spring = 1_772_951_400_000;
    let decision = asked("{}", &marketing(), &NEW_YORK, spring);
    assert_eq!(deferred(&decision, spring), Some(5 * HOUR_MS + HOUR_MS / 2));
}

#[test]
fn a_state_may_be_narrower_and_its_rules_may_be_left_out() {
    // 20:30 in Florida.
    let half_past_eight = EVENING_MS - HOUR_MS;
    let florida = Message { to: "+13055550123".into(), ..marketing() };
    let decision = asked("{}", &florida, &NEW_YORK, half_past_eight);
    assert_eq!(deferred(&decision, half_past_eight), Some(11 * HOUR_MS + HOUR_MS / 2));
    assert_eq!(decision.noted("quiet.rules"), Some("FL"));
    let without = asked(r#"{"us_states": false}"#, &florida, &NEW_YORK, half_past_eight);
    assert_eq!(deferred(&without, 0), None);
}

#[test]
fn an_operators_rule_narrows_the_hours_of_its_area() {
    // Wednesday, 10:00 in Paris; that day is closed, and the next one opens at 10:00.
    let morning = EVENING_MS + 6 * HOUR_MS + HOUR_MS / 2;
    let settings = r#"{"rules": [
        {"name": "FR", "prefixes": ["33"], "days": "wed", "hours": "closed"},
        {"name": "FR", "prefixes": ["33"], "hours": "10:00-20:00", "until": "2026-07-02"}]}"#;
    let message = Message { to: "+33612345678".into(), ..marketing() };
    let decision = asked(settings, &message, &["Europe/Paris"], morning);
    assert_eq!(deferred(&decision, morning), Some(24 * HOUR_MS));
    assert_eq!(decision.noted("quiet.rules"), Some("FR"));
}

#[test]
fn a_rule_that_did_not_hold_is_not_named() {
    let morning = EVENING_MS + 6 * HOUR_MS + HOUR_MS / 2;
    let settings = r#"{"rules": [
        {"name": "over", "prefixes": ["33"], "hours": "closed", "until": "2020-12-31"},
        {"name": "sundays", "prefixes": ["33"], "days": "sun", "hours": "closed"},
        {"name": "always", "prefixes": ["33"], "hours": "09:00-20:00"}]}"#;
    let message = Message { to: "+33612345678".into(), ..marketing() };
    let decision = asked(settings, &message, &["Europe/Paris"], morning);
    assert_eq!(decision.noted("quiet.rules"), Some("always"));
}

#[test]
fn what_would_be_over_before_the_opening_is_refused_and_told_when_to_come_back() {
    let short = Message { ttl_s: Some(3_600), ..marketing() };
    let decision = asked("{}", &short, &NEW_YORK, EVENING_MS);
    let rejection = decision.rejection().expect("a rejection");
    assert_eq!(
        (rejection.code.as_str(), rejection.retry_after_ms),
        ("quiet.would_expire", Some(10 * HOUR_MS + HOUR_MS / 2))
    );
    // Ten hours and a half to the opening.
    for (ttl_s, refused) in [(37_800, true), (37_801, false)] {
        let message = Message { ttl_s: Some(ttl_s), ..marketing() };
        let decision = asked("{}", &message, &NEW_YORK, EVENING_MS);
        assert_eq!(decision.refused_with().is_some(), refused, "{ttl_s} s");
    }
}

#[test]
fn what_is_shut_for_longer_is_told_when_its_opening_is_near_enough() {
    let day_ms = 24 * HOUR_MS;
    let closed = |until: &str| {
        let rule = r#"{"name": "FR", "prefixes": ["33"], "hours": "closed", "until": "#;
        format!(r#"{{"rules": [{rule}"{until}"}}]}}"#)
    };
    let message = Message { to: "+33612345678".into(), ..marketing() };
    let asked = |until: &str, now_ms| asked(&closed(until), &message, &["Europe/Paris"], now_ms);
    // It is 03:30 there; the first opening is on 2026-07-21 at 08:00.
    let opening_ms = EVENING_MS + 20 * day_ms + 4 * HOUR_MS + HOUR_MS / 2;
    let decision = asked("2026-07-20", EVENING_MS);
    let rejection = decision.rejection().expect("a rejection");
    let wait_ms = rejection.retry_after_ms.expect("a wait");
    assert_eq!(wait_ms, opening_ms - 8 * day_ms + 1 - EVENING_MS);
    assert!(!rejection.detail.contains("recipient_tz"), "it is known where: {}", rejection.detail);
    assert!(asked("2026-07-20", EVENING_MS + wait_ms - 1).refused_with().is_some());
    let then = asked("2026-07-20", EVENING_MS + wait_ms);
    assert_eq!(deferred(&then, EVENING_MS), Some(opening_ms - EVENING_MS));

    let never = asked("2027-07-20", EVENING_MS);
    assert_eq!(never.rejection().expect("a rejection").retry_after_ms, None);
}

#[test]
fn what_is_asked_for_at_a_later_time_is_judged_by_that_time() {
    let (noon, late) = (EVENING_MS + 14 * HOUR_MS, EVENING_MS + 24 * HOUR_MS);
    let at = |not_before_ms| Message { not_before_ms: Some(not_before_ms), ..marketing() };
    assert_eq!(deferred(&asked("{}", &at(noon), &NEW_YORK, EVENING_MS), 0), None);
    let decision = asked("{}", &at(late), &NEW_YORK, noon);
    assert_eq!(deferred(&decision, late), Some(10 * HOUR_MS + HOUR_MS / 2));
}

#[test]
fn a_number_that_may_be_anywhere_is_refused_unless_the_app_says_where() {
    let nowhere = asked("{}", &marketing(), &[], EVENING_MS);
    assert_eq!(nowhere.refused_with(), Some("quiet.zone_unknown"));
    let accepted = asked(r#"{"zone_unknown": "accept"}"#, &marketing(), &[], EVENING_MS);
    assert_eq!(accepted.refused_with(), None);

    let tagged = |zone: &str| {
        let tags = vec![("recipient_tz".to_owned(), zone.to_owned())];
        asked("{}", &Message { tags, ..marketing() }, &[], EVENING_MS)
    };
    // 15:30 in Honolulu, 10:30 in Tokyo, 02:30 in London.
    assert_eq!(deferred(&tagged("Pacific/Honolulu"), 0), None);
    assert_eq!(deferred(&tagged("Asia/Tokyo"), 0), None);
    assert!(deferred(&tagged("Europe/London"), 0).is_some());
    assert_eq!(tagged("Mars/Olympus").refused_with(), Some("quiet.zone_unknown"));
}

#[test]
fn zones_without_a_common_hour_are_refused() {
    let settings = r#"{"hours": "08:00-09:00"}"#;
    let decision = asked(settings, &marketing(), &["Europe/London", "Europe/Paris"], EVENING_MS);
    assert_eq!(decision.refused_with(), Some("quiet.would_expire"));
    assert_eq!(decision.rejection().expect("a rejection").retry_after_ms, None);
}
