//! What `sendgate check` says of a module that does not fit, so that a person can act on it.

use serde_json::{Value, json};

use super::{bytes_of, sendgate};
use crate::harness::{Folder, Policy, Setup, plivo};
use crate::reload::refused::of_version;

/// The lines that `check` ends with, where the policy is `policy`.
async fn checked(policy: Policy, module: Vec<u8>) -> (Setup, String) {
    let (plivo, folder) = (plivo().await, Folder::new());
    folder.write("m.wasm", module);
    let setup = Setup::new(&plivo).policy(policy.set("module", "m.wasm"));
    folder.write("sidecar.toml", setup.to_toml());
    let said = sendgate(folder.path(), &["check"]).await;
    said.ended(2);
    (setup, said.err)
}

/// The line on which `text` stands in the configuration.
fn line(setup: &Setup, text: &str) -> usize {
    let toml = setup.to_toml();
    let at = toml.find(text).unwrap_or_else(|| panic!("no {text} in\n{toml}"));
    toml[..at].matches('\n').count() + 1
}

#[tokio::test]
async fn a_module_of_another_contract_is_told_with_both_versions() {
    let (setup, said) =
        checked(Policy::new("trial"), of_version(&bytes_of("trial"), "0.2.0")).await;
    let at = line(&setup, "\"module\" = ");
    let start = format!(
        "sidecar.toml:{at}:12: policies.trial.module: the module is built for `sendgate:policy/"
    );
    assert!(said.starts_with(&start), "{said}");
    for part in [
        "@0.2.0`",
        "this Sendgate speaks sendgate:policy@0.1.0",
        "build it with the SDK of that version",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

#[tokio::test]
async fn an_import_without_its_grant_is_told_with_the_word_to_add() {
    let wanted = "the module imports `sendgate:policy/state@0.1.0`; add \"state\" to `grants`\n";
    let none = Policy::new("dedup").set("grants", json!([]));
    let (setup, said) = checked(none, bytes_of("dedup")).await;
    let at = line(&setup, "\"grants\" = ");
    assert_eq!(said, format!("sidecar.toml:{at}:12: policies.dedup.grants: {wanted}"));

    // Nothing is written that could be at fault, so the policy is.
    let unsaid = Policy::new("dedup").set("grants", Value::Null);
    let (setup, said) = checked(unsaid, bytes_of("dedup")).await;
    let at = line(&setup, "[[policies]]");
    assert_eq!(said, format!("sidecar.toml:{at}:1: policies.dedup: {wanted}"));
}

#[tokio::test]
async fn a_setting_that_names_nothing_is_refused_where_it_stands() {
    for (name, settings, places) in [
        (
            "budget",
            json!({"prices": {"US": 0.1, "UX": 0.0055}, "mms_prices": {"XX": 1}}),
            &["prices.UX: is no region", "mms_prices.XX: is no region"][..],
        ),
        (
            "consent",
            json!({"campaigns": {"promo": ["+14155551212", "+1415x"], "other": [""]}}),
            &["campaigns.promo[1]: is no sender", "campaigns.other[0]: is no sender"],
        ),
        ("media", json!({"types": ["jpeg"]}), &["types[0]: is no content type"]),
        ("media", json!({"types": [], "max_bytes": 0}), &["types: is empty", "max_bytes: is 0"]),
        (
            "quiet-hours",
            json!({"rules": [{"name": "a", "prefixes": ["33"], "hours": "closed", "since": "2026-02-02",
                              "until": "2026-02-01"}]}),
            &["rules[0].since: is after `until`"],
        ),
    ] {
        let mut policy = Policy::new(name).settings(settings);
        if name == "media" {
            policy = policy.set("grants", json!(["media"]));
        }
        let (setup, said) = checked(policy, bytes_of(name)).await;
        let start = format!("sidecar.toml:{}:", line(&setup, "settings"));
        assert_eq!(said.lines().count(), places.len(), "{said}");
        for place in places {
            let place = format!(": policies.{name}.settings.{place}");
            let told = said.lines().any(|line| line.starts_with(&start) && line.contains(&place));
            assert!(told, "no `{place}` in\n{said}");
        }
    }
}

#[tokio::test]
async fn a_panic_in_configure_is_told_by_its_own_words() {
    let settings = json!({"panic_on_configure": true});
    let runaway = Policy::new("runaway").set("grants", json!(["state", "log"])).settings(settings);
    let (_, said) = checked(runaway, bytes_of("runaway")).await;
    let wanted = "policies.runaway.settings: it failed in `configure`: the policy trapped: wasm trap: wasm `unreachable` \
                  instruction executed, as a panic ends; it said: panicked at ";
    assert!(said.contains(wanted) && said.ends_with(": as the settings ask\n"), "{said}");
    assert!(!said.contains("backtrace"), "{said}");
}

#[tokio::test]
async fn each_setting_that_does_not_fit_is_told_by_its_place_in_the_file() {
    let settings: Value = json!({
        "window_s": "thirty", "mode": "drop", "by_intent": { "otp": { "wndow_s": 10 } }, "salt": 7,
    });
    let (setup, said) = checked(Policy::new("dedup").settings(settings), bytes_of("dedup")).await;
    let at = line(&setup, "settings");
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_by_key(|line| line.split(": ").nth(1).map(str::to_owned));
    let told: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| {
            assert!(line.starts_with(&format!("sidecar.toml:{at}:")), "{line}");
            let rest = line.split_once(": policies.dedup.settings.").expect("a setting").1;
            rest.split_once(": ").expect("a sentence")
        })
        .collect();
    assert_eq!(
        told,
        [
            ("by_intent.otp.wndow_s", "there is no such setting"),
            ("mode", r#"the value is none of "reject", "coalesce", "flag""#),
            ("salt", r#"the value is not of type "string""#),
            ("window_s", r#"the value is not of type "integer""#),
        ],
        "{said}"
    );
}
