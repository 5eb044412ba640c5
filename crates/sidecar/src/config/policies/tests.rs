use policy_host::{Grant, Grants, Isolation, Mode, OnFailure};

use super::ModuleSource;
use crate::config::testing::{APP, Folder, account};

/// A folder with one module, `m.wasm`.
pub(super) fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("m.wasm", b"\0asm");
    folder
}

#[test]
fn a_policy_has_its_documented_defaults() {
    let folder = folder();
    let config = folder
        .config(&format!("{APP}[[policies]]\nname = \"a\"\nmodule = \"m.wasm\"\n"), &account());
    let policy = &config.reloadable.policies[0];
    assert_eq!(policy.module, ModuleSource::File(folder.path().join("m.wasm")));
    assert_eq!((policy.on_failure, policy.mode), (OnFailure::Reject, Mode::Enforce));
    assert_eq!((policy.isolation, &policy.apps), (Isolation::Warm, &None));
    assert_eq!(
        (policy.limits.time.as_millis(), policy.limits.memory, policy.limits.host_calls),
        (50, 16 << 20, 64)
    );
    assert_eq!((policy.settings().to_string().as_str(), policy.grants), ("{}", Grants::default()));
    assert_eq!((policy.locate("/window_s").line, policy.locate("").line), (4, 4));
}

#[test]
fn every_key_of_a_policy_is_read_and_the_order_of_the_file_holds() {
    let toml = format!(
        "{APP}[[policies]]\nname = \"z\"\nmodule = \"m.wasm\"\non_failure = \"last-good\"\nmode = \"shadow\"\n\
         grants = [\"amend\", \"state\", \"amend-recipient\"]\napps = [\"demo\"]\nisolation = \
          \"fresh\"\n\
         time_ms = 5\nmemory_mb = 2\nhost_calls = 1\n[[policies]]\nname = \"a\"\nmodule = \"./m.wasm\"\n"
    );
    let policies = folder().config(&toml, &account()).reloadable.policies;
    let [z, a] = &policies[..] else { panic!("two policies: {policies:#?}") };
    assert_eq!((z.name.as_str(), a.name.as_str()), ("z", "a"));
    assert_eq!(
        (z.on_failure, z.mode, z.isolation),
        (OnFailure::LastGood, Mode::Shadow, Isolation::Fresh)
    );
    let granted: Vec<Grant> = z.grants.iter().collect();
    assert_eq!(granted, [Grant::State, Grant::Amend, Grant::AmendRecipient]);
    assert_eq!(z.apps.as_deref(), Some(&["demo".into()][..]));
    assert_eq!((z.limits.time.as_millis(), z.limits.memory, z.limits.host_calls), (5, 2 << 20, 1));
}

#[test]
fn each_fault_of_a_policy_is_named_at_its_place() {
    let own = "name = \"a\"\nmodule = \"m.wasm\"\n";
    let cases: [(&str, &[&str]); 20] = [
        ("", &["4:1: policies[0].module: is missing", "4:1: policies[0].name: is missing"]),
        ("name = \"\"\nmodule = \"m.wasm\"", &["5:8: policies[0].name: is not a name"]),
        (
            "name = \"a\"\nmodule = \"gone.wasm\"",
            &["6:10: policies.a.module: there is no module at gone.wasm; build it"],
        ),
        ("name = \"a\"\nmodule = \".\"", &["6:10: policies.a.module: . is a folder; name the"]),
        (
            "{own}on_failure = \"last_good\"",
            &[
                "7:14: policies.a.on_failure: is none of \"reject\", \"accept\", \"last-good\"; did you mean \
                 `last-good`?",
            ],
        ),
        (
            "{own}mode = \"enfroce\"",
            &["7:8: policies.a.mode: is none of \"enforce\", \"shadow\"; did you mean `enforce`?"],
        ),
        (
            "{own}grants = [\"stat\"]",
            &[
                "7:11: policies.a.grants[0]: is none of \"state\", \"log\", \"metrics\", \"telecom\", \"zones\", \
                 \"media\", \"amend\", \"amend-recipient\"; did you mean `state`?",
            ],
        ),
        (
            "{own}grants = [\"state\", \"log\", \"state\"]",
            &["7:27: policies.a.grants[2]: stands here twice; take one out"],
        ),
        (
            "{own}apps = [\"demo\", \"demo\"]",
            &["7:17: policies.a.apps[1]: stands here twice; take one out"],
        ),
        (
            "{own}grants = [\"amend-recipient\"]",
            &["7:10: policies.a.grants: has \"amend-recipient\" without \"amend\""],
        ),
        (
            "{own}apps = [\"dmeo\"]",
            &["7:9: policies.a.apps[0]: is no app of this file; did you mean `demo`?"],
        ),
        ("{own}apps = []", &["7:8: policies.a.apps: is empty; leave the key out"]),
        (
            "{own}time_ms = 0\nmemory_mb = 0\nhost_calls = 0",
            &[
                "7:11: policies.a.time_ms: is 0",
                "8:13: policies.a.memory_mb: is 0",
                "9:14: policies.a.host_calls: is 0",
            ],
        ),
        (
            "{own}candidate = \"gone.wasm\"",
            &["7:13: policies.a.candidate: there is no module at gone.wasm"],
        ),
        (
            "{own}candidate_settings = {}",
            &["7:22: policies.a.candidate_settings: has no `candidate` to go to"],
        ),
        (
            "{own}promote_after = 5\npromote_unless = [\"verdict\"]",
            &[
                "7:17: policies.a.promote_after: has no `candidate` to go to",
                "8:18: policies.a.promote_unless: has no `candidate` to go to",
            ],
        ),
        (
            "{own}candidate_settings = 5\npromote_after = \"five\"\npromote_unless = [\"x\"]",
            &[
                "7:22: policies.a.candidate_settings: has no `candidate` to go to",
                "7:22: policies.a.candidate_settings: is an integer",
                "8:17: policies.a.promote_after: has no `candidate` to go to",
                "8:17: policies.a.promote_after: is a string",
                "9:18: policies.a.promote_unless: has no `candidate` to go to",
                "9:19: policies.a.promote_unless[0]: is none of",
            ],
        ),
        (
            "{own}candidate = \"m.wasm\"\npromote_after = 0\npromote_unless = [\"verdicts\"]\n\
             error_budget = { failures = 0, window = 1 }",
            &[
                "8:17: policies.a.promote_after: is 0",
                "9:19: policies.a.promote_unless[0]: is none of \"verdict\", \"code\"",
                "10:29: policies.a.error_budget.failures: is 0",
                "10:32: policies.a.error_budget.window: is not a known key; did you mean `window_s`?",
            ],
        ),
        (
            "{own}mode = \"shadow\"\ncandidate = \"m.wasm\"",
            &["8:13: policies.a.candidate: stands beside a policy that is not enforced"],
        ),
        ("{own}[[policies]]\n{own}", &["8:8: policies[1].name: is policies.a.name too"]),
    ];
    for (toml, wanted) in cases {
        let toml = format!("{APP}[[policies]]\n{}", toml.replace("{own}", own));
        let found = folder().faults(&toml, &account());
        let fits = |(found, wanted): (&String, &&str)| {
            found.starts_with(&format!("sidecar.toml:{wanted}"))
        };
        let same = found.len() == wanted.len() && found.iter().zip(wanted).all(fits);
        assert!(same, "for\n{toml}\nwanted {wanted:#?}\nfound {found:#?}");
    }
}

#[test]
fn a_warning_goes_by_the_name_too_and_past_the_tenth_policy() {
    let nameless = "[[policies]]\nmodule = \"m.wasm\"\nmode = \"no\"\n";
    let named = |nth| format!("[[policies]]\nname = \"p{nth}\"\nmodule = \"oci://a.b/c:1\"\n");
    let last: String = (2..=11).map(named).collect();
    let first = named(0);
    if cfg!(feature = "oci") {
        let config = folder().config(&format!("{APP}{first}{last}"), &account());
        let warned: Vec<&str> = config.warnings.iter().map(|found| found.key.as_str()).collect();
        assert_eq!((warned[1], warned[11]), ("policies.p0.module", "policies.p11.module"));
    }
    let found = folder().faults(&format!("{APP}{first}{nameless}{last}nope = 1\n"), &account());
    for wanted in ["policies[1].name: is missing", "policies[1].mode: is", "policies.p11.nope: is"]
    {
        assert!(found.iter().any(|found| found.contains(wanted)), "no {wanted} in {found:#?}");
    }
}

#[test]
fn policies_that_name_a_faulty_app_add_no_second_fault() {
    let toml =
        "[[apps]]\nname = \"a\"\n[[policies]]\nname = \"p\"\nmodule = \"m.wasm\"\napps = [\"a\"]\n";
    let found = folder().faults(toml, &account());
    assert!(found.len() == 1 && found[0].contains("apps[0].token: is missing"), "{found:#?}");
}

#[cfg(not(feature = "oci"))]
#[test]
fn without_the_feature_registries_are_refused_by_name() {
    let toml = format!(
        "[registry]\ntimeout_s = 1\n{APP}[[policies]]\nname = \"a\"\nmodule = \"oci://a.b/c:1\"\n"
    );
    let found = folder().faults(&toml, &account());
    let wanted = [
        "sidecar.toml:1:1: registry: needs the feature `oci`",
        "sidecar.toml:8:10: policies.a.module: needs",
    ];
    let starts = |(found, wanted): (&String, &str)| found.starts_with(wanted);
    assert!(found.len() == 2 && found.iter().zip(wanted).all(starts), "{found:#?}");
}

#[test]
fn a_file_without_policies_is_a_warning_unless_it_says_that_there_are_none() {
    let folder = folder();
    let said = |toml: &str| {
        let warnings = folder.config(&format!("{toml}{APP}"), &account()).warnings;
        warnings.iter().any(|warning| warning.key == "policies")
    };
    assert!(said(""));
    assert!(!said("policies = []\n"));
}
