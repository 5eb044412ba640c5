use policy_sdk::testing::{Case, facts, handset, mms, receipt, sms};
use policy_sdk::{Decision, Kind, Message, Receipt};

use super::Budget;

const HOUR_S: u64 = 3_600;
const MONEY: &str =
    r#"{"budgets": [{"name": "day", "usd": 1}], "prices": {"US": 0.4}, "default_price": 0.3}"#;

fn passes(case: &mut Case<Budget>) -> bool {
    let decision = case.check(&sms());
    assert!(matches!(decision.refused_with(), None | Some("budget.exceeded")), "{decision:?}");
    decision.refused_with().is_none()
}

fn to(case: &mut Case<Budget>, region: &str) -> Decision {
    let mut looked = facts(&sms());
    looked.number = handset(region, 1);
    case.check_with(&sms(), &looked)
}

#[test]
fn an_app_may_spend_its_segments_of_the_day_and_no_more() {
    let mut case = Case::<Budget>::new(r#"{"budgets": [{"name": "day", "segments": 3}]}"#);
    let two = Message { text: "a".repeat(161), ..sms() };
    assert_eq!(case.check(&two).noted("budget.day"), Some("1 segments left"));
    let no = case.check(&two);
    let refused = no.rejection().expect("a rejection");
    // It is noon in UTC.
    assert_eq!(
        (refused.code.as_str(), refused.retry_after_ms),
        ("budget.exceeded", Some(43_200_000))
    );
    assert!(passes(&mut case), "one is left");
    case.context.app = "another".into();
    assert!(passes(&mut case));
    case.context.app = "app".into();
    assert!(!passes(&mut case) && passes(case.at(12 * HOUR_S)));
}

#[test]
fn what_was_not_sent_is_given_back() {
    let mut case = Case::<Budget>::new(r#"{"budgets": [{"name": "day", "segments": 1}]}"#);
    assert!(passes(&mut case));
    case.nothing_was_sent();
    assert!(passes(&mut case) && !passes(&mut case));
}

#[test]
fn money_is_counted_by_the_price_of_the_region() {
    let mut case = Case::<Budget>::new(MONEY);
    assert_eq!(to(&mut case, "US").noted("budget.day"), Some("0.60000 USD left"));
    assert_eq!(to(&mut case, "FR").noted("budget.day"), Some("0.30000 USD left"));
    assert_eq!(to(&mut case, "US").refused_with(), Some("budget.exceeded"));
    assert_eq!(to(&mut case, "FR").noted("budget.day"), Some("0.00000 USD left"));
}

#[test]
fn a_message_that_no_day_can_pay_for_is_not_told_to_come_back() {
    let mut case = Case::<Budget>::new(MONEY);
    let three = Message { text: "a".repeat(400), ..sms() };
    let no = case.check(&three);
    assert_eq!(no.rejection().expect("a rejection").retry_after_ms, None);
}

#[test]
fn an_mms_has_a_price_of_its_own() {
    let settings = r#"{"budgets": [{"name": "day", "usd": 10}], "default_price": 0.1, "mms_prices": {"US": 4.0}}"#;
    let mut case = Case::<Budget>::new(settings);
    assert_eq!(case.check(&mms()).noted("budget.day"), Some("6.00000 USD left"));
    let mut looked = facts(&mms());
    looked.number = handset("CA", 1);
    assert_eq!(case.check_with(&mms(), &looked).noted("budget.day"), Some("5.00000 USD left"));
}

#[test]
fn what_plivo_charged_takes_the_place_of_the_settings() {
    let told = |rate: &str| Receipt { total_rate: rate.into(), ..receipt() };
    let mut case = Case::<Budget>::new(MONEY);
    case.tell(&told("0.25000"));
    assert_eq!(to(&mut case, "US").noted("budget.day"), Some("0.75000 USD left"));
    for rate in ["", "much", "-1"] {
        case.tell(&told(rate));
    }
    case.tell(&Receipt { region: String::new(), ..told("0.9") });
    case.tell(&Receipt { kind: Kind::Mms, ..told("0.9") });
    assert_eq!(to(&mut case, "US").noted("budget.day"), Some("0.50000 USD left"));

    let set = MONEY.replace("\"default_price\"", "\"learn_prices\": false, \"default_price\"");
    case.reload(&set);
    assert_eq!(to(&mut case, "US").noted("budget.day"), Some("0.10000 USD left"));
}

#[test]
fn only_what_is_charged_teaches_a_price() {
    let told = |state: &str, rate: &str| Receipt {
        state: state.into(),
        total_rate: rate.into(),
        ..receipt()
    };
    for (state, rate, left) in [
        ("sent", "0.2", "0.80000 USD left"),
        ("delivered", "0.2", "0.80000 USD left"),
        ("undelivered", "0.2", "0.80000 USD left"),
        ("queued", "0.2", "0.60000 USD left"),
        ("failed", "0.2", "0.60000 USD left"),
        ("rejected", "0.2", "0.60000 USD left"),
        ("delivered", "0.00000", "0.60000 USD left"),
        ("undelivered", "0", "0.60000 USD left"),
    ] {
        let mut case = Case::<Budget>::new(MONEY);
        case.tell(&told(state, rate));
        assert_eq!(to(&mut case, "US").noted("budget.day"), Some(left), "{state} {rate}");
    }
}

#[test]
fn a_price_too_high_to_be_right_is_noted_and_leaves_what_was_believed() {
    let told = |rate: &str| Receipt { total_rate: rate.into(), ..receipt() };
    let listed =
        r#"{"budgets": [{"name": "day", "usd": 9}], "prices": {"US": 0.1}, "default_price": 0.01}"#;
    let mut case = Case::<Budget>::new(listed);
    case.tell(&told("1.00001"));
    let decision = to(&mut case, "US");
    assert_eq!(decision.noted("budget.day"), Some("8.90000 USD left"));
    let doubted = "1.00001 USD were told, and not believed";
    assert_eq!(decision.noted("budget.price.doubted"), Some(doubted));
    case.tell(&told("1.00000"));
    case.tell(&told("30"));
    assert_eq!(to(&mut case, "US").noted("budget.day"), Some("7.90000 USD left"));
    case.tell(&told("1.00000"));
    assert_eq!(to(&mut case, "US").noted("budget.price.doubted"), None);
    // With lower prices in the settings it is believed no longer.
    case.reload(&listed.replace("0.1}", "0.02}"));
    assert_eq!(to(&mut case, "US").noted("budget.day"), Some("6.88000 USD left"));

    let free = r#"{"budgets": [{"name": "day", "usd": 1}, {"name": "month", "usd": 9, "per": "month"}],
                   "default_price": 0}"#;
    for (rate, left) in [("1.00001", "1.00000 USD left"), ("1.00000", "0.00000 USD left")] {
        let mut case = Case::<Budget>::new(free);
        case.tell(&told(rate));
        assert_eq!(to(&mut case, "US").noted("budget.day"), Some(left), "{rate}");
    }
}

#[test]
fn one_budget_that_refuses_spends_nothing_of_the_others() {
    let settings = r#"{"budgets": [{"name": "app", "segments": 1, "apps": ["app"]},
                                   {"name": "all", "segments": 9, "scope": "account"}]}"#;
    let mut case = Case::<Budget>::new(settings);
    assert!(passes(&mut case) && !passes(&mut case));
    case.context.app = "another".into();
    assert_eq!(case.check(&sms()).noted("budget.all"), Some("7 segments left"));
}

#[test]
fn a_monitored_budget_counts_and_warns_and_lets_pass() {
    let settings = r#"{"budgets": [{"name": "day", "segments": 1, "mode": "monitor"}]}"#;
    let mut case = Case::<Budget>::new(settings);
    assert_eq!(case.check(&sms()).noted("budget.monitor"), None);
    let decision = case.check(&sms());
    assert_eq!(decision.refused_with(), None);
    let warning = "budget `day` would have refused this message";
    assert_eq!(decision.noted("budget.monitor"), Some(warning));
}

#[test]
fn without_budgets_everything_passes() {
    assert_eq!(Case::<Budget>::new("{}").check(&sms()), Decision::accept());
}
