#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::{Known, LoadFault, Problem, asked_again};
use crate::{Grant, Grants};

const SCHEMA: &str = r#"{
    "type": "object",
    "properties": {
        "allow": { "type": "array", "items": { "type": "string" } },
        "window_s": { "type": "integer", "minimum": 0 }
    },
    "additionalProperties": false
}"#;

fn problems(schema: &str, settings: &Value) -> Result<Vec<Problem>, LoadFault> {
    let found = super::problems(schema, settings, &Known { apps: None, grants: Grants::default() });
    Ok(found?.into_iter().map(|found| found.problem).collect())
}

/// Pointers and details of what is wrong where `billing` is the only app.
fn wrong(schema: &Value, settings: &Value, grants: Grants) -> Vec<(String, String)> {
    let known = Known { apps: Some(["billing".into()].into()), grants };
    let found = super::problems(&schema.to_string(), settings, &known).unwrap();
    found.into_iter().map(|found| (found.problem.pointer, found.problem.detail)).collect()
}

#[test]
fn every_problem_is_found_with_its_pointer_and_without_its_value() {
    let settings = json!({ "allow": ["US", 4155550123u64], "window_s": -7, "extra": 1 });
    let found = problems(SCHEMA, &settings).unwrap();
    let mut pointers: Vec<_> = found.iter().map(|problem| problem.pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/allow/1", "/extra", "/window_s"]);
    assert!(!found.iter().any(|problem| problem.detail.contains("4155550123")), "{found:?}");
}

#[test]
fn a_number_that_its_type_cannot_hold_is_told_the_most_that_it_can() {
    let schema = json!({"properties": {
        "per_s": {"type": ["integer", "null"], "format": "uint32", "minimum": 0},
        "ports": {"items": {"type": "integer", "format": "uint16"}},
        "own": {"type": "integer", "format": "uint8", "maximum": 7},
    }});
    let settings = json!({"per_s": 99_999_999_999_u64, "ports": [443, 65_536], "own": 9});
    let found = wrong(&schema, &settings, Grants::default());
    let told = |pointer: &str, most: &str| {
        found.iter().any(|(at, detail)| at == pointer && detail.contains(most))
    };
    let places = [("/per_s", "4294967295"), ("/ports/1", "65535"), ("/own", "7")];
    assert!(found.len() == 3 && places.iter().all(|(at, most)| told(at, most)), "{found:?}");
}

#[test]
fn fitting_settings_and_a_policy_without_a_schema_have_no_problems() {
    assert_eq!(problems(SCHEMA, &json!({ "allow": [] })).unwrap(), []);
    assert_eq!(problems("", &json!({ "anything": true })).unwrap(), []);
}

#[test]
fn a_broken_schema_or_one_that_points_elsewhere_is_the_policys_fault() {
    for schema in ["{", r#"{ "type": 7 }"#, r#"{ "$ref": "https://example.com/schema.json" }"#] {
        let fault = problems(schema, &json!({})).unwrap_err();
        assert!(matches!(fault, LoadFault::Schema(_)), "{schema}: {fault:?}");
    }
}

#[test]
fn names_that_the_host_knows_are_looked_up() {
    for (format, good, bad, detail) in [
        ("app", "billing", "biling", "is no app that is configured"),
        ("region", "GB", "UK", "is no region that numbers belong to"),
        ("region", "001", "usa", "is no region that numbers belong to"),
        ("iana-zone", "America/Los_Angeles", "America/Los_Angles", "is not an IANA time zone"),
        ("iana-zone", "UTC", "", "is not an IANA time zone"),
        ("intent", "otp_2-x", "otp.login", "is no intent"),
        ("sender", "+14155551212", "+1415x", "is no sender"),
        (
            "sender",
            "5b40a428-bfc7-4daf-9d06-726c558bf3b8",
            "5b40a428-bfc7-4daf-9d06",
            "is no sender",
        ),
        ("sender", "Acme", "", "is no sender"),
        ("sender", "12345", "+1 415 555 1212", "is no sender"),
        ("intent", "", "two words", "is no intent"),
    ] {
        let schema = json!({ "items": { "type": "string", "format": format } });
        let found = wrong(&schema, &json!([good, bad]), Grants::default());
        let [(pointer, said)] = &found[..] else { panic!("{format}: {found:?}") };
        assert!(pointer == "/1" && said.starts_with(detail), "{format}: {found:?}");
    }
}

#[test]
fn where_nobody_says_which_apps_there_are_any_name_is_one() {
    let schema = json!({ "format": "app" }).to_string();
    assert_eq!(problems(&schema, &json!("whoever")).unwrap(), []);
}

#[test]
fn a_key_that_is_no_such_name_is_told_at_its_own_place() {
    let intents = json!({ "propertyNames": { "format": "intent" } });
    let schema = json!({ "properties": { "by_intent": intents } });
    let found = wrong(&schema, &json!({ "by_intent": { "otp": 1, "a/b": 2 } }), Grants::default());
    let [(pointer, said)] = &found[..] else { panic!("{found:?}") };
    assert!(pointer == "/by_intent/a~1b" && said.starts_with("is no intent"), "{found:?}");
}

#[test]
fn a_value_that_needs_a_grant_is_told_with_the_word_to_add() {
    let fallback = json!({ "enum": ["deny", "strip"], "x-needs-grant": { "amend": ["strip"] } });
    let schema = json!({
        "$defs": { "Fallback": fallback },
        "additionalProperties": { "$ref": "#/$defs/Fallback" },
    });
    let settings = json!({ "a": "deny", "b": "strip" });

    let found = wrong(&schema, &settings, Grants::default());

    let detail = "needs the grant \"amend\"; add it to `grants`, or choose another value";
    assert_eq!(found, [("/b".to_owned(), detail.to_owned())]);
    assert_eq!(wrong(&schema, &settings, [Grant::Amend].into_iter().collect()), []);
}

#[test]
fn settings_that_need_a_grant_whatever_they_are_say_so_as_a_whole() {
    let schema = json!({ "x-needs-grant": { "amend": true, "state": [] } });
    let needs = "needs the grant \"amend\"; add it to `grants`";
    let found = wrong(&schema, &json!({ "a": 1 }), Grants::default());
    assert_eq!(found, [(String::new(), needs.to_owned())]);
    assert_eq!(wrong(&schema, &json!({}), [Grant::Amend].into_iter().collect()), []);
}

#[test]
fn a_schema_that_asks_for_a_grant_which_there_is_not_is_the_policys_fault() {
    for needs in [json!({ "amned": [true] }), json!(["amend"]), json!({ "amend": "all" })] {
        let schema = json!({ "x-needs-grant": needs }).to_string();
        let fault = problems(&schema, &json!({})).unwrap_err();
        assert!(matches!(fault, LoadFault::Schema(_)), "{schema}: {fault:?}");
    }
}

#[test]
fn what_is_no_word_of_a_choice_is_told_once() {
    let choice = json!({ "type": "string", "enum": ["strip", "deny"] });
    let or_none = json!({ "anyOf": [choice, { "type": "null" }] });
    let schema = json!({ "properties": { "a": choice, "b": or_none, "c": { "type": "string" } } });
    let mut found = wrong(&schema, &json!({ "a": true, "b": 7, "c": 1 }), Grants::default());
    found.sort();
    let none = r#"the value is none of "strip", "deny""#;
    let told = [("/a", none), ("/b", none), ("/c", r#"the value is not of type "string""#)];
    assert_eq!(found, told.map(|(at, said)| (at.to_owned(), said.to_owned())));
}

#[test]
fn of_a_choice_the_words_are_told_and_where_there_is_none_the_type() {
    let schema = r#"{ "properties": {
        "mode": { "anyOf": [{ "oneOf": [{ "const": "reject" }, { "const": "flag" }] }, { "type": "null" }] },
        "word": { "type": "string", "enum": ["a", "b"] },
        "limit": { "anyOf": [
            { "type": "object", "properties": { "quota": { "type": "integer" } } }, { "type": "null" }
        ] }
    } }"#;
    let settings = json!({ "mode": "drop", "word": "c", "limit": { "quota": "ten" } });
    let mut found = problems(schema, &settings).unwrap();
    found.sort_by(|one, other| one.pointer.cmp(&other.pointer));
    let told: Vec<_> = found.iter().map(|p| (p.pointer.as_str(), p.detail.as_str())).collect();
    assert_eq!(
        told,
        [
            ("/limit/quota", r#"the value is not of type "integer""#),
            ("/mode", r#"the value is none of "reject", "flag""#),
            ("/word", r#"the value is none of "a", "b""#),
        ]
    );
}

#[test]
fn a_schema_says_at_its_top_whether_its_policy_is_asked_again() {
    for (schema, wanted) in [
        (json!({ "x-asked-again": true }), true),
        (json!({ "x-asked-again": false }), false),
        (json!({ "properties": { "a": { "x-asked-again": true } } }), false),
    ] {
        assert_eq!(asked_again(&schema.to_string()).unwrap(), wanted, "{schema}");
    }
    assert!(!asked_again("").unwrap());
    let fault = asked_again(r#"{"x-asked-again": "yes"}"#).unwrap_err();
    assert!(matches!(fault, LoadFault::Schema(_)), "{fault:?}");
}

#[test]
fn a_whole_number_that_is_written_as_a_float_is_told_and_taken_for_what_is_meant() {
    let schema = json!({"properties": {
        "per_s": {"type": ["integer", "null"], "format": "uint32"},
        "quotas": {"items": {"type": "integer"}},
        "share": {"type": "number"},
        "days": {"type": "integer"},
    }});
    let settings = json!({"per_s": 1e3, "quotas": [5, 5.0, -2.0], "share": 2.0, "days": 1.5});
    let known = Known { apps: None, grants: Grants::default() };

    let found = super::problems(&schema.to_string(), &settings, &known).unwrap();

    let float = "is a float; give a whole number";
    let mut told: Vec<_> =
        found.iter().map(|each| (&*each.problem.pointer, each.problem.detail == float)).collect();
    told.sort_unstable();
    let wanted = [("/days", false), ("/per_s", true), ("/quotas/1", true), ("/quotas/2", true)];
    assert_eq!(told, wanted);
    let meant = json!({"per_s": 1000, "quotas": [5, 5, -2], "share": 2.0, "days": 1.5});
    assert_eq!(super::as_meant(settings, &found), meant);
}
