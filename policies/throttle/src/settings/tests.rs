use policy_sdk::testing::Case;
use serde::Deserialize as _;

use super::{RawLimit, Settings};
use crate::Throttle;

/// Pointers of what is wrong with one limit, after its name and scope.
fn wrong(rest: &str) -> Vec<String> {
    let settings = format!(r#"{{"limits": [{{"name": "app", "scope": "app", {rest}}}]}}"#);
    let problems = Case::<Throttle>::problems(&settings);
    problems.into_iter().map(|problem| problem.pointer).collect()
}

#[test]
fn zeros_are_problems() {
    assert_eq!(wrong(r#""quota": 0, "per_s": 0"#), ["/limits/0/quota", "/limits/0/per_s"]);
    assert_eq!(wrong(r#""kind": "gcra", "quota": 1, "per_s": 1, "burst": 0"#), ["/limits/0/burst"]);
}

#[test]
fn a_setting_of_another_kind_is_a_problem() {
    assert_eq!(
        wrong(r#""quota": 1, "per_s": 1, "burst": 1, "period": "day", "zone": "UTC""#),
        ["/limits/0/period", "/limits/0/zone", "/limits/0/burst"]
    );
    assert_eq!(
        wrong(r#""kind": "calendar", "quota": 1, "per_s": 1, "burst": 1, "period": "day""#),
        ["/limits/0/per_s", "/limits/0/burst"]
    );
}

#[test]
fn what_a_kind_needs_is_asked_for() {
    assert_eq!(wrong(r#""quota": 1"#), ["/limits/0/per_s"]);
    assert_eq!(wrong(r#""kind": "gcra", "quota": 1"#), ["/limits/0/per_s"]);
    assert_eq!(wrong(r#""kind": "calendar", "quota": 1"#), ["/limits/0/period"]);
    assert_eq!(
        wrong(r#""kind": "calendar", "quota": 1, "period": "day", "zone": """#),
        ["/limits/0/zone"]
    );
}

#[test]
fn a_limit_for_nobody_is_a_problem() {
    assert_eq!(
        wrong(r#""quota": 1, "per_s": 1, "apps": [], "intents": [], "regions": []"#),
        ["/limits/0/apps", "/limits/0/intents", "/limits/0/regions"]
    );
}

#[test]
fn what_holds_without_the_shared_store_is_one_of_two_words() {
    for word in ["reject", "local"] {
        Case::<Throttle>::new(&format!(
            r#"{{"limits": [{{"name": "app", "scope": "app", "quota": 1, "per_s": 1, "on_unavailable": "{word}"}}]}}"#
        ));
    }
    let problems = wrong(r#""quota": 1, "per_s": 1, "on_unavailable": "accept""#);
    assert_eq!(problems, ["/limits/0/on_unavailable"]);
}

#[test]
fn a_window_is_at_most_thirty_one_days() {
    Case::<Throttle>::new(
        r#"{"limits": [{"name": "app", "scope": "app", "quota": 1, "per_s": 2678400}]}"#,
    );
    assert_eq!(wrong(r#""quota": 1, "per_s": 2678401"#), ["/limits/0/per_s"]);
}

#[test]
fn names_are_plain_and_used_once() {
    let limit =
        |name: &str| format!(r#"{{"name": "{name}", "scope": "app", "quota": 1, "per_s": 1}}"#);
    let names = [
        "a",
        "a",
        "",
        "A b",
        &"n".repeat(41),
        "day20261129",
        "cost_exceeds_burst",
        "calendar",
        &"n".repeat(40),
    ];
    let limits = names.map(limit).join(",");
    let problems = Case::<Throttle>::problems(&format!(r#"{{"limits": [{limits}]}}"#));
    let pointers: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(pointers, [1, 2, 3, 4, 5, 6, 7].map(|index| format!("/limits/{index}/name")));
}

#[test]
fn thirty_two_limits_are_the_most() {
    let limits = |count: usize| {
        let limit =
            |index| format!(r#"{{"name": "l{index}", "scope": "app", "quota": 1, "per_s": 1}}"#);
        let limits: Vec<String> = (0..count).map(limit).collect();
        format!(r#"{{"limits": [{}]}}"#, limits.join(","))
    };
    Case::<Throttle>::new(&limits(32));
    assert_eq!(Case::<Throttle>::problems(&limits(33))[0].pointer, "/limits");
}

#[test]
fn what_the_schema_calls_the_default_is_the_default() {
    let schema = schemars::schema_for!(Settings);
    let told = schema.pointer("/properties/limits/default").expect("a default");
    let told = Vec::<RawLimit>::deserialize(told).expect("limits");
    assert_eq!(format!("{told:?}"), format!("{:?}", Settings::default().limits));
}
