//! Logs that real policies have made, decided again.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod changes;
mod hostile;
mod late;
mod moment;
mod stage;
mod traffic;

use proptest::prelude::*;
use proptest::test_runner::Config;

use self::stage::{By, Stage};
use self::traffic::{Sent, between, traffic};

/// A guest that does what the text says: refuses, amends, fails, traps.
const GUEST: &str = r#"
[[policies]]
name = "guest"
module = "MODULES/runaway.wasm"
grants = ["state", "log", "amend"]
on_failure = "accept"
"#;

/// Every standard policy, one of them in the shadow and one with a candidate.
const STANDARD: &str = r#"
[[policies]]
name = "validation"
module = "MODULES/validation.wasm"
grants = ["amend"]
settings = { unknown_fields = "strip" }
[[policies]]
name = "country"
module = "MODULES/country.wasm"
candidate = "MODULES/country.wasm"
candidate_settings = { allow = ["US"] }
grants = ["amend"]
settings = { allow = ["US", "CA", "GB"], mms = ["US"], mms_fallback = "deny" }
[[policies]]
name = "trial"
module = "MODULES/trial.wasm"
apps = ["trial"]
settings = { verified = ["+14155550123", "+447911123456"] }
[[policies]]
name = "media"
module = "MODULES/media.wasm"
grants = ["media"]
settings = { unreachable = "reject" }
[[policies]]
name = "quiet-hours"
module = "MODULES/quiet-hours.wasm"
grants = ["zones", "amend"]
[[policies]]
name = "consent"
module = "MODULES/consent.wasm"
grants = ["state"]
settings = { salt = "salt-of-consent", campaigns = { promo = ["+14155551212"] } }
[[policies]]
name = "pumping"
module = "MODULES/pumping.wasm"
grants = ["state"]
settings = { mode = "enforce", velocity = { run = 0 }, fanout = { quota = 1, home = ["US"] } }
[[policies]]
name = "dedup"
module = "MODULES/dedup.wasm"
grants = ["state"]
settings = { window_s = 30, mode = "reject", salt = "salt-of-dedup" }
[[policies]]
name = "dedup-longer"
module = "MODULES/dedup.wasm"
mode = "shadow"
grants = ["state"]
settings = { window_s = 300, mode = "reject" }
[[policies]]
name = "throttle"
module = "MODULES/throttle.wasm"
grants = ["state"]
[policies.settings]
limits = [{ name = "app", scope = "app", kind = "window", quota = 3, per_s = 60 }]
[[policies]]
name = "budget"
module = "MODULES/budget.wasm"
grants = ["state"]
settings = { budgets = [{ name = "app-day", segments = 40 }] }
"#;

/// What messages, settings and apps' keys hold, and a redacted log must not.
const HIDDEN: [&str; 14] = [
    "14155551212",
    "salt-of-",
    "key-of-an-app",
    "203.0.113.9",
    "spring-with-somebody",
    "493021",
    "parcel",
    "RX1234567",
    "Köln",
    "сообщение",
    "Altogether",
    "picture-of-somebody",
    "document",
    "tttttttttttt",
];

/// The standard policies, and where wanted the guest: it reads texts, of which a shape says nothing.
fn policies(with_guest: bool) -> String {
    if with_guest { format!("{GUEST}{STANDARD}") } else { STANDARD.to_owned() }
}

fn assert_shows_nothing_of(log: &str, sent: &[Sent]) {
    let numbers = sent.iter().map(|each| each.candidate.message.to.digits());
    for hidden in numbers.chain(HIDDEN) {
        assert!(!log.contains(hidden), "the log has `{hidden}`: {log}");
    }
}

proptest! {
    #![proptest_config(Config { cases: 12, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_policies_that_made_a_log_decide_it_as_they_did(
        sent in traffic(40),
        before in between(40),
        whole in any::<bool>(),
        with_guest in any::<bool>(),
    ) {
        let stage = Stage::new(&policies(with_guest), whole);
        let logged = stage.play_between(&sent, &before);
        if !whole {
            assert_shows_nothing_of(&logged, &sent);
        }
        let by = By::OwnConfiguration;
        let report = if whole { stage.replay_to_the_notes(by) } else { stage.replay(by) };
        let shown = serde_json::to_string_pretty(&report.shown()).unwrap();
        prop_assert_eq!(report.decisions, sent.len() as u64, "{}", shown);
        prop_assert_eq!((report.changed, report.passed_over), (0, 0), "{}", shown);
        // Only who reads words may come to something else, or ask for something else.
        if whole || !with_guest {
            prop_assert_eq!((report.untold, report.guessed), (0, 0), "{}", shown);
        }
        prop_assert!(report.remarks.is_empty(), "{}", shown);
    }

}

proptest! {
    // Each of these compiles modules.
    #![proptest_config(Config { cases: 4, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_module_that_made_a_log_decides_it_as_it_did(
        sent in traffic(25),
        before in between(25),
        whole in any::<bool>(),
    ) {
        let stage = Stage::new(&policies(whole), whole);
        stage.play_between(&sent, &before);
        let all = [
            ("country", "country"),
            ("consent", "consent"),
            ("dedup", "dedup-longer"),
            ("throttle", "throttle"),
            // Where it fails it is passed over, and the record says so in a note of the host's.
            ("runaway", "guest"),
        ];
        for (module, name) in all.into_iter().filter(|(_, name)| whole || *name != "guest") {
            let by = By::Module(module, name);
            let report = if whole { stage.replay_to_the_notes(by) } else { stage.replay(by) };
            let shown = serde_json::to_string_pretty(&report.shown()).unwrap();
            prop_assert_eq!((report.changed, report.guessed, report.passed_over), (0, 0, 0), "{}", shown);
            prop_assert_eq!(report.untold, 0, "{}", shown);
        }
    }
}

#[test]
fn a_module_that_failed_and_was_passed_over_is_alike_to_the_notes() {
    let stage = Stage::new(GUEST, true);
    let log = stage.play(&traffic::much());
    assert!(log.contains("policy.skipped"), "the host has noted no failure");
    for by in [By::OwnConfiguration, By::Module("runaway", "guest")] {
        let report = stage.replay_to_the_notes(by);
        assert_eq!(report.changed, 0, "{:#}", report.shown());
        assert!(report.alike > 100, "{:#}", report.shown());
    }
}

#[test]
fn what_a_redacted_log_does_not_show_is_no_change_of_the_module_that_read_it() {
    let words = r#"
[[policies]]
name = "guest"
module = "MODULES/runaway.wasm"
grants = ["state", "log", "amend"]
on_failure = "accept"
[[policies]]
name = "country"
module = "MODULES/country.wasm"
settings = { allow = ["US"] }
"#;
    let stage = Stage::new(words, false);
    stage.play(&traffic::much());
    for by in [By::OwnConfiguration, By::Module("runaway", "guest")] {
        let report = stage.replay(by);
        assert_eq!(report.changed, 0, "{:#}", report.shown());
        assert!(report.untold > 0, "{:#}", report.shown());
    }
    // Another module, and other settings, say what they say, on what is there.
    let other = words.replace(r#"["US"]"#, r#"["GB"]"#);
    for by in [By::Configuration(other), By::Module("trial", "guest")] {
        let report = stage.replay(by);
        let shown = report.shown();
        assert!(report.changed > 0, "{shown:#}");
        assert_eq!(shown["changed_not_whole"], report.changed, "{shown:#}");
    }
}

#[test]
fn a_long_line_of_policies_counts_for_the_size_of_the_files() {
    let verified: Vec<String> = (0..2_000).map(|nth| format!("\"+1415555{nth:04}\"")).collect();
    let trial = format!(
        "[[policies]]\nname = \"trial\"\nmodule = \"MODULES/trial.wasm\"\nsettings = {{ verified = [{}] }}\n",
        verified.join(", ")
    );
    let stage = Stage::with_log(&trial, true, "max_bytes = 65536\nkeep = 3\n");
    // Each start tells the policies anew, in the file that is there.
    for _ in 0..6 {
        stage.play(&traffic::much()[..2]);
    }
    let files = std::fs::read_dir(stage.log().parent().unwrap()).unwrap();
    let logs = files
        .map(|file| file.unwrap())
        .filter(|file| file.file_name().to_string_lossy().starts_with("d.jsonl"));
    let sizes: Vec<u64> = logs.map(|log| log.metadata().unwrap().len()).collect();
    assert_eq!(sizes.len(), 3, "{sizes:?}");
    assert!(sizes.iter().all(|size| (30_000..=65_536).contains(size)), "{sizes:?}");
}

#[test]
fn generated_traffic_meets_every_kind_of_decision() {
    let stage = Stage::new(&policies(true), true);
    let sent = traffic::much();
    let log = stage.play(&sent);
    let kinds = [
        ("an amendment", r#""verdict":"amend""#),
        ("a failure that was skipped", r#""verdict":"failure""#),
        ("a failure for want of time", "deadline"),
        ("a reservation", r#""answer":"reserved""#),
        ("a reservation of another's", r#""answer":{"held""#),
        ("a charge", r#""answer":{"taken""#),
        ("a refused charge", r#""answer":{"refused""#),
        ("a candidate", r#""mode":"candidate""#),
        ("a shadow", r#""mode":"shadow""#),
        ("a deferral", "quiet.deferred"),
        ("a refused country", "country.not_allowed"),
        ("an invalid number", r#""valid":false"#),
        ("a look at media", r#""probe":{"#),
        ("refused media", "media.unreachable"),
        ("a number on trial", "trial.not_verified"),
    ];
    for (what, mark) in kinds {
        assert!(log.contains(mark), "no message brings about {what}");
    }
}
