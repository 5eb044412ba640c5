//! The rules of `[delivery]`.

use std::time::Duration;

use super::{BreakerSettings, DeliverySettings, OnUnresolved, Treat503};
use crate::config::testing::{assert_faults, config_of, warnings_of};

fn delivery(toml: &str) -> DeliverySettings {
    config_of(toml).reloadable.delivery
}

fn seconds(times: &[Duration]) -> Vec<u64> {
    times.iter().map(Duration::as_secs).collect()
}

#[test]
fn without_the_section_the_documented_defaults_hold() {
    let delivery = delivery("");
    let waits = [delivery.wait, delivery.compat_wait, delivery.join].map(|wait| wait.as_millis());
    assert_eq!(waits, [10_000, 4_000, 2_000]);
    assert_eq!((delivery.ttl, delivery.queue_max, delivery.scheduled_max), (None, 10_000, 10_000));
    for intent in ["", "otp", "marketing"] {
        assert_eq!(delivery.on_unresolved.of(intent), OnUnresolved::Fail, "for `{intent}`");
    }
    assert_eq!(seconds(&delivery.settle), [20, 60, 180]);
    assert_eq!(seconds(&delivery.looks.steps), [5, 30, 120, 600, 3_600]);
    assert_eq!(seconds(&[delivery.looks.until, delivery.report_silence]), [86_400, 600]);
    assert_eq!(delivery.looks.percent, 50);
    let breaker = BreakerSettings {
        failures: 5,
        window: Duration::from_secs(30),
        min_calls: 20,
        ratio_percent: 50,
        open: Duration::from_secs(15),
        open_max: Duration::from_secs(300),
    };
    assert_eq!(delivery.breaker, breaker);
    assert_eq!((delivery.retry_budget_percent, delivery.treat_503), (20, Treat503::Retry));
}

#[test]
fn every_key_is_read() {
    let delivery = delivery(
        "[delivery]\nsettle_s = [1, 2]\npoll_s = [9, 3]\npoll_until_s = 10\npoll_percent = 7\nreport_silence_s = 7\n\
         breaker = { failures = 1, window_s = 2, min_calls = 3, ratio_percent = 4, open_s = 5, open_max_s = 6 }\n\
         retry_budget_percent = 0\ntreat_503 = \"in_doubt\"",
    );
    assert_eq!(seconds(&delivery.settle), [1, 2]);
    assert_eq!(seconds(&delivery.looks.steps), [9, 3], "these count from each other");
    assert_eq!(seconds(&[delivery.looks.until, delivery.report_silence]), [10, 7]);
    assert_eq!(delivery.looks.percent, 7);
    let BreakerSettings { failures, window, min_calls, ratio_percent, open, open_max } =
        delivery.breaker;
    assert_eq!((failures, min_calls, ratio_percent), (1, 3, 4));
    assert_eq!(seconds(&[window, open, open_max]), [2, 5, 6]);
    assert_eq!((delivery.retry_budget_percent, delivery.treat_503), (0, Treat503::InDoubt));
}

#[test]
fn an_intent_may_have_its_own_word_for_messages_that_stay_in_doubt() {
    let table = delivery(
        "[delivery]\non_unresolved = \"hold\"\non_unresolved_by_intent = { otp = \"fail\", marketing = \"resend\" }",
    )
    .on_unresolved;
    for (intent, word) in [
        ("otp", OnUnresolved::Fail),
        ("marketing", OnUnresolved::Resend),
        ("notification", OnUnresolved::Hold),
        ("", OnUnresolved::Hold),
    ] {
        assert_eq!(table.of(intent), word, "for `{intent}`");
    }
    let many: Vec<String> = (0..65).map(|nth| format!("i{nth} = \"fail\"")).collect();
    let many = format!("[delivery]\non_unresolved_by_intent = {{ {} }}", many.join(", "));
    assert_faults(&[
        (
            "[delivery]\non_unresolved = \"retry\"",
            &[
                "sidecar.toml:2:17: delivery.on_unresolved: is none of \"fail\", \"resend\", \"hold\"",
            ],
        ),
        (
            "[delivery]\non_unresolved_by_intent = { otp = \"hodl\", \"a b\" = \"fail\", \"+14155550188\" = \"fail\", \"u:SEKRET@x\" = \"fail\" }",
            &[
                "sidecar.toml:2:35: delivery.on_unresolved_by_intent.otp: is none of \"fail\", \"resend\", \"hold\"; \
                 did you mean `hold`?",
                "sidecar.toml:2:51: delivery.on_unresolved_by_intent.\"a b\": is under a key that is no intent",
                "sidecar.toml:2:76: delivery.on_unresolved_by_intent.\"+1415•••0188\": is under a key that is no intent",
                "sidecar.toml:2:99: delivery.on_unresolved_by_intent.\"x\": is under a key that is no intent",
            ],
        ),
        (
            "[delivery]\non_unresolved_by_intent = \"fail\"",
            &["sidecar.toml:2:27: delivery.on_unresolved_by_intent: is a string; give a table"],
        ),
        (
            &many,
            &[
                "sidecar.toml:2:27: delivery.on_unresolved_by_intent: has 65 entries; give at most 64",
            ],
        ),
    ]);
}

#[test]
fn a_time_to_live_must_be_one_that_plivo_takes() {
    assert_eq!(delivery("delivery.ttl_s = 5").ttl.map(|ttl| ttl.as_secs()), Some(5));
    assert_faults(&[
        (
            "[delivery]\nttl_s = 4",
            &["sidecar.toml:2:9: delivery.ttl_s: is 4; give a whole number from 5 to 10799"],
        ),
        ("[delivery]\nttl_s = 10800", &["sidecar.toml:2:9: delivery.ttl_s: is 10800; give"]),
    ]);
}

#[test]
fn counts_and_times_out_of_range_are_faults() {
    assert_faults(&[
        ("[delivery]\nqueue_max = 0", &["sidecar.toml:2:13: delivery.queue_max: is 0; give"]),
        (
            "[delivery]\nscheduled_max = 0",
            &["sidecar.toml:2:17: delivery.scheduled_max: is 0; give"],
        ),
        ("[delivery]\nwait_ms = -1", &["sidecar.toml:2:11: delivery.wait_ms: is -1; give"]),
        (
            "[delivery]\nwait_s = 1",
            &["sidecar.toml:2:1: delivery.wait_s: is not a known key; did you mean `wait_ms`?"],
        ),
        (
            "[delivery]\nreport_silence_s = 86401",
            &["sidecar.toml:2:20: delivery.report_silence_s: is 86401; give"],
        ),
        (
            "[delivery]\nretry_budget_percent = 101",
            &["sidecar.toml:2:24: delivery.retry_budget_percent: is 101; give"],
        ),
        (
            "[delivery]\ntreat_503 = \"doubt\"",
            &["sidecar.toml:2:13: delivery.treat_503: is none of \"retry\", \"in_doubt\""],
        ),
        (
            "[delivery]\nbreaker = { failures = 0, ratio = 5 }",
            &[
                "sidecar.toml:2:24: delivery.breaker.failures: is 0; give",
                "sidecar.toml:2:27: delivery.breaker.ratio: is not a known key",
            ],
        ),
        (
            "[delivery.breaker]\nopen_s = 0\nopen_max_s = 5",
            &["sidecar.toml:2:10: delivery.breaker.open_s: is 0; give"],
        ),
        (
            "[delivery.breaker]\nopen_s = 301",
            &[
                "sidecar.toml:2:10: delivery.breaker.open_s: is longer than the longest (300 s); lower it",
            ],
        ),
    ]);
}

#[test]
fn lists_of_times_are_bounded_and_in_an_order_that_can_be_kept() {
    let settle = |times: &str| format!("[delivery]\nsettle_s = {times}");
    assert_faults(&[
        (&settle("[]"), &["sidecar.toml:2:12: delivery.settle_s: is empty; leave the key out"]),
        (&settle("60"), &["sidecar.toml:2:12: delivery.settle_s: is an integer; give a list"]),
        (&settle("[20, 0]"), &["sidecar.toml:2:17: delivery.settle_s[1]: is 0; give"]),
        (
            &settle("[20, 20]"),
            &["sidecar.toml:2:12: delivery.settle_s: has a time that is not later"],
        ),
        (
            &settle("[1, 2, 3, 4, 5, 6, 7, 8, 9]"),
            &["sidecar.toml:2:12: delivery.settle_s: has 9 entries; give at most 8"],
        ),
        (
            "[delivery]\npoll_s = [1, 86401]",
            &["sidecar.toml:2:14: delivery.poll_s[1]: is 86401; give"],
        ),
        (
            "[delivery]\npoll_until_s = 4",
            &["sidecar.toml:2:16: delivery.poll_until_s: is over before the first time of poll_s"],
        ),
    ]);
}

#[test]
fn waiting_longer_than_the_sdks_do_is_a_warning() {
    let warnings = warnings_of("[delivery]\ncompat_wait_ms = 5_000");
    assert!(
        warnings.len() == 1
            && warnings[0].starts_with("sidecar.toml:2:18: delivery.compat_wait_ms: is longer"),
        "{warnings:#?}"
    );
}
