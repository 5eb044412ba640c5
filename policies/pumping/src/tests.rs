use std::sync::atomic::{AtomicU32, Ordering};

use policy_sdk::testing::{Case, facts, fail_call, handset, receipt, sms};
use policy_sdk::{Decision, Message, Receipt};

use super::Pumping;

const ENFORCE: &str = r#"{"mode": "enforce"}"#;
const CONVERSION: &str = r#"{"mode": "enforce", "velocity": {"quota": 0, "run": 0}, "cold_start": {"quota": 0},
                            "conversion": {"told": true}}"#;

/// A one-time code to `number` in `region`.
fn ask(case: &mut Case<Pumping>, number: &str, region: &str) -> Decision {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    // Each is a message of its own: what one has reserved keeps others out.
    let id = format!("m{}", ASKED.fetch_add(1, Ordering::Relaxed));
    let message = Message { id, to: number.into(), intent: "otp".into(), ..sms() };
    let mut looked = facts(&message);
    looked.number = handset(region, 94);
    case.check_with(&message, &looked)
}

fn code(decision: &Decision) -> &str {
    decision.refused_with().unwrap_or_default()
}

fn converted(id: &str) -> Receipt {
    let (region, intent) = ("LK".into(), "otp".into());
    Receipt { id: id.into(), state: "converted".into(), region, intent, ..receipt() }
}

/// The codes for these last digits of one block, all at once.
fn block(case: &mut Case<Pumping>, last: impl IntoIterator<Item = u32>) -> Vec<String> {
    let number = |last: u32| format!("+94711230{last:03}");
    last.into_iter().map(|last| code(&ask(case, &number(last), "LK")).to_owned()).collect()
}

#[test]
fn more_than_ten_of_one_block_in_a_minute_close_it() {
    let mut case = Case::<Pumping>::new(ENFORCE);
    let spread = |from: u32, count: u32| (from..from + count).map(|nth| nth * 7);
    assert_eq!(block(&mut case, spread(0, 10)), [""; 10]);
    assert_eq!(block(&mut case, spread(10, 2)), ["fraud.prefix_velocity", "fraud.closed"]);
    // Another block of the same region is open.
    assert_eq!(code(&ask(&mut case, "+94711231000", "LK")), "");
}

#[test]
fn many_texts_to_one_handset_leave_its_block_open() {
    let mut case = Case::<Pumping>::new(r#"{"mode": "enforce", "cold_start": {"quota": 0}}"#);
    assert_eq!(block(&mut case, [500; 11]), [""; 11]);
    // It counts as one of ten.
    assert_eq!(block(&mut case, (0..9).map(|nth| nth * 7)), [""; 9]);
    assert_eq!(block(&mut case, [500, 700]), ["", "fraud.prefix_velocity"]);
}

#[test]
fn a_number_counts_again_in_the_next_window_and_not_where_nothing_was_sent_to_it() {
    let settings =
        r#"{"mode": "enforce", "velocity": {"quota": 2, "run": 0}, "cold_start": {"quota": 0}}"#;
    let mut case = Case::<Pumping>::new(settings);
    for last in [0, 10, 20] {
        assert_eq!(block(&mut case, [last]), [""], "{last}");
        case.nothing_was_sent();
    }
    assert_eq!(block(&mut case, [0, 0, 10]), [""; 3]);
    assert_eq!(block(case.at(60), [0, 20, 10]), ["", "", "fraud.prefix_velocity"]);
}

#[test]
fn five_numbers_in_a_row_close_a_block() {
    let mut case = Case::<Pumping>::new(ENFORCE);
    assert_eq!(
        block(&mut case, [100, 101, 102, 103, 104]),
        ["", "", "", "", "fraud.prefix_velocity"]
    );
    for numbers in [[104, 103, 102, 101, 100], [100, 102, 104, 103, 101]] {
        let mut case = Case::<Pumping>::new(ENFORCE);
        assert_eq!(block(&mut case, numbers)[4], "fraud.prefix_velocity", "{numbers:?}");
    }
    for numbers in [[104, 103, 103, 102, 7, 8, 9, 10], [5, 6, 5, 6, 5, 6, 5, 6]] {
        let mut case = Case::<Pumping>::new(ENFORCE);
        assert_eq!(block(&mut case, numbers), [""; 8], "{numbers:?} is no such run");
    }
}

#[test]
fn numbers_in_a_row_over_a_day_are_ordinary() {
    let mut case = Case::<Pumping>::new(r#"{"mode": "enforce", "cold_start": {"quota": 0}}"#);
    for nth in 0..30_u32 {
        case.at(u64::from(nth) * 2_880);
        assert_eq!(block(&mut case, [100 + nth]), [""], "{nth}");
    }
}

#[test]
fn a_block_is_closed_for_a_quarter_of_an_hour_and_then_for_twice_as_long_each_time() {
    let mut case = Case::<Pumping>::new(ENFORCE);
    let mut at = 0;
    for wait_s in [900, 1_800, 3_600] {
        case.at(at);
        let codes = block(&mut case, 0..5);
        assert_eq!(codes[4], "fraud.prefix_velocity", "{wait_s}: {codes:?}");
        let closed = ask(case.at(at + 1), "+94711230999", "LK");
        let wait_ms = closed.rejection().expect("a rejection").retry_after_ms;
        assert_eq!(wait_ms, Some((wait_s - 1) * 1_000));
        at += wait_s;
    }
}

#[test]
fn a_safe_number_passes_a_closed_block() {
    let settings = r#"{"mode": "enforce", "safe": ["+94711230999", "+9477"]}"#;
    let mut case = Case::<Pumping>::new(settings);
    block(&mut case, 0..5);
    assert_eq!(block(&mut case, [998, 999]), ["fraud.closed", ""]);
    assert_eq!(
        ask(&mut case, "+94771230998", "LK").noted("fraud.safe"),
        Some("the number is safe-listed")
    );
}

#[test]
fn an_app_takes_up_three_new_regions_an_hour() {
    let mut case = Case::<Pumping>::new(ENFORCE);
    let texted = |case: &mut Case<Pumping>, region: &str| {
        code(&ask(case, "+94711234567", region)).to_owned()
    };
    let first: Vec<String> =
        ["US", "CA", "LK", "US", "BD"].map(|region| texted(&mut case, region)).to_vec();
    assert_eq!(first, ["", "", "", "", "fraud.region_fanout"]);
    assert_eq!(texted(case.at(3_600), "BD"), "");
    case.context.app = "another".into();
    assert_eq!(texted(&mut case, "NG"), "");

    let mut case = Case::<Pumping>::new(
        r#"{"mode": "enforce", "fanout": {"quota": 1, "home": ["US", "CA"]}}"#,
    );
    let codes = ["US", "CA", "LK", "BD"].map(|region| texted(&mut case, region));
    assert_eq!(codes, ["", "", "", "fraud.region_fanout"]);
}

#[test]
fn a_new_region_has_twenty_messages_a_day_for_a_week() {
    let mut case =
        Case::<Pumping>::new(r#"{"mode": "enforce", "velocity": {"quota": 0, "run": 0}}"#);
    let texted = |case: &mut Case<Pumping>| code(&ask(case, "+94711234567", "LK")).to_owned();
    for nth in 0..20 {
        assert_eq!(texted(case.at(nth)), "", "{nth}");
    }
    assert_eq!(texted(case.at(20)), "fraud.new_region");
    assert_eq!(texted(case.at(86_400)), "", "the first has left the window");
    assert_eq!(texted(case.at(86_400)), "fraud.new_region");
    for _ in 0..50 {
        assert_eq!(texted(case.at(7 * 86_400)), "");
    }
}

#[test]
fn codes_that_nobody_enters_come_to_an_end_and_codes_that_are_entered_do_not() {
    let mut case = Case::<Pumping>::new(CONVERSION);
    let codes = |case: &mut Case<Pumping>, count: u32| -> Vec<String> {
        (0..count).map(|_| code(&ask(case, "+94711234567", "LK")).to_owned()).collect()
    };
    assert_eq!(codes(&mut case, 4), ["", "", "", "fraud.conversion"]);
    for nth in 0..31_u32 {
        let told = converted(&format!("m{nth}"));
        case.tell(&told);
        case.tell(&told);
    }
    // 31 converted and 6 on top in the hour; three are sent.
    assert_eq!(codes(&mut case, 35)[33..], ["", "fraud.conversion"]);
    let other = Receipt { id: "n1".into(), region: "LK".into(), intent: "otp".into(), ..receipt() };
    case.tell(&other);
    assert_eq!(codes(&mut case, 1), ["fraud.conversion"], "a delivery is no conversion");
}

#[test]
fn a_conversion_that_the_state_failed_in_is_counted_when_it_is_told_again() {
    let budget = CONVERSION.replace("\"told\"", "\"hour\": 1000, \"day\": 1, \"told\"");
    // Looked at, counted in the hour and the day, the best day read and kept, and marked.
    for call in 1..=6 {
        let mut case = Case::<Pumping>::new(&budget);
        fail_call(call);
        case.try_tell(&converted("m1")).expect_err("the state is away");
        case.tell(&converted("m1"));
        case.tell(&converted("m1"));
        let passed = (0..9).take_while(|_| code(&ask(&mut case, "+94711234567", "LK")).is_empty());
        // The day's one and the converted one; a sum that was kept before may have it twice.
        let expected = if call > 3 { 3 } else { 2 };
        assert_eq!(passed.count(), expected, "call {call}");
    }
}

#[test]
fn a_days_codes_are_bounded_too() {
    let mut case = Case::<Pumping>::new(CONVERSION);
    let mut passed = 0;
    // Twelve hours are left of the day.
    for hour in 0..12 {
        for _ in 0..3 {
            passed += u32::from(code(&ask(case.at(hour * 3_600), "+94711234567", "LK")).is_empty());
        }
    }
    assert_eq!(passed, 20);
    assert_eq!(code(&ask(case.at(12 * 3_600), "+94711234567", "LK")), "");
}

#[test]
fn other_intents_are_not_expected_to_convert() {
    let mut case = Case::<Pumping>::new(CONVERSION);
    for _ in 0..40 {
        assert_eq!(case.check(&sms()).refused_with(), None);
    }
}

#[test]
fn one_address_has_so_many_messages_sent() {
    let mut case =
        Case::<Pumping>::new(r#"{"mode": "enforce", "source": {"quota": 2, "per_s": 60}}"#);
    let from = |address: &str| {
        let tags = vec![("end_user_ip".to_owned(), address.to_owned())];
        Message { tags, ..sms() }
    };
    let codes = ["203.0.113.7", "203.0.113.7", "203.0.113.8", "203.0.113.7"]
        .map(|address| code(&case.check(&from(address))).to_owned());
    assert_eq!(codes, ["", "", "", "fraud.source"]);
}

#[test]
fn to_monitor_is_to_warn_and_let_pass() {
    let mut case = Case::<Pumping>::new("{}");
    assert_eq!(block(&mut case, 0..8), [""; 8]);
    let decision = ask(&mut case, "+94711230500", "LK");
    let warning = "rule `closed` would have refused this message (fraud.closed)";
    assert_eq!(decision.noted("fraud.monitor"), Some(warning));
}
