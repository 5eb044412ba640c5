//! What is loaded, and what is refused with a word of help.

use std::time::Duration;

use policy_host::{Grant, Grants, LoadFault, PolicyFailure, PolicyName, PolicySource};
use serde_json::json;

use crate::host::{Host, country, dedup, module, policy, runaway, said};

async fn fault(host: &Host, source: &PolicySource) -> LoadFault {
    host.runtime.load(source).await.unwrap_err().fault
}

#[tokio::test]
async fn a_loaded_policy_says_what_it_is() {
    let host = Host::new();
    let loaded = host.runtime.load(&country()).await.unwrap();
    assert_eq!((loaded.name().as_str(), loaded.manifest().name.as_str()), ("country", "country"));
    assert_eq!(&*loaded.manifest().version, env!("CARGO_PKG_VERSION"));
    assert_eq!(loaded.digest(), policy_host::Digest::of(&module("country")));
    assert!(loaded.manifest().settings_schema.contains("mms_fallback"));
}

#[tokio::test]
async fn an_import_without_its_grant_is_refused_with_the_word_to_add() {
    let host = Host::new();
    let mut source = dedup();
    source.grants = Grants::default();
    let error = host.runtime.load(&source).await.unwrap_err();
    assert_eq!(
        said(&error),
        "policy `dedup` cannot be loaded: the module imports `sendgate:policy/state@0.1.0`; add \"state\" to `grants`"
    );
}

/// The module called `name`, with one of the names in it replaced by another as long.
fn renamed(name: &str, from: &str, to: &str) -> Vec<u8> {
    let text: String = module(name).iter().map(|&byte| char::from(byte)).collect();
    assert!(text.contains(from), "{name} has no {from}");
    text.replace(from, to).chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

#[tokio::test]
async fn an_import_that_it_cannot_have_hides_no_setting_that_does_not_fit() {
    let host = Host::new();
    let mut ungranted = dedup();
    ungranted.grants = Grants::default();
    let mut unknown = dedup();
    unknown.module = renamed("dedup", "policy/state@", "policy/stash@").into();
    // What its schema refuses, and what only the policy itself does.
    for (settings, wanted) in [
        (json!({ "window_s": "thirty", "mods": 1 }), &["/mods", "/window_s"][..]),
        (json!({ "window_s": 90_000 }), &["/window_s"]),
    ] {
        for (source, import) in [(&ungranted, "policy/state@"), (&unknown, "policy/stash@")] {
            let source = PolicySource { settings: settings.clone(), ..source.clone() };
            let errors = host.runtime.faults(None, &[source]).await;
            let told: Vec<String> = errors.iter().map(|error| said(&error.fault)).collect();
            assert_eq!(errors.len(), 2, "{told:#?}");
            let names_import =
                told[0].starts_with("the module imports ") && told[0].contains(import);
            assert!(names_import, "{told:#?}");
            let LoadFault::Settings(problems) = &errors[1].fault else { panic!("{told:#?}") };
            let mut pointers: Vec<_> = problems.iter().map(|each| each.pointer.as_str()).collect();
            pointers.sort_unstable();
            assert_eq!(pointers, wanted, "{told:#?}");
        }
    }
    for source in [ungranted, unknown] {
        let errors = host.runtime.faults(None, &[source]).await;
        assert_eq!(errors.len(), 1, "only the import is at fault: {errors:?}");
    }
}

#[tokio::test]
async fn a_module_of_another_contract_is_refused_with_both_versions() {
    let host = Host::new();
    let later = renamed("country", "@0.1.0", "@0.2.0");
    let fault = fault(&host, &PolicySource::new(PolicyName::new("later"), later)).await;
    let told = said(&fault);
    assert!(matches!(fault, LoadFault::ContractVersion { .. }), "{told}");
    assert!(told.contains("@0.2.0") && told.contains("sendgate:policy@0.1.0"), "{told}");
}

#[tokio::test]
async fn a_module_of_two_versions_that_need_each_other_is_refused_and_not_followed() {
    let host = Host::new();
    let (own, other) = ("sendgate:policy/guest@0.1.0", "sendgate:policy/guest@0.2.0");
    let both = PolicySource::new(PolicyName::new("both"), renamed("words", own, other));
    let fault = fault(&host, &both).await;
    let told = said(&fault);
    let both = "(sendgate:policy@0.1.0, sendgate:policy@0.2.0)";
    assert!(matches!(fault, LoadFault::Types(_)) && told.contains(both), "{told}");
}

#[tokio::test]
async fn what_is_no_module_is_refused_for_what_it_seems() {
    let host = Host::new();
    for (bytes, seems) in
        [(&b"(module)"[..], "WebAssembly's text form"), (b"", "empty"), (b"<html>", "a web page")]
    {
        let fault = fault(&host, &PolicySource::new(PolicyName::new("p"), bytes)).await;
        assert!(said(&fault).contains(seems), "{}", said(&fault));
    }
    let mut broken = module("country");
    broken.truncate(broken.len() / 2);
    let fault = fault(&host, &PolicySource::new(PolicyName::new("p"), broken)).await;
    assert!(matches!(fault, LoadFault::Truncated), "{}", said(&fault));
}

#[tokio::test]
async fn settings_that_do_not_fit_are_all_told_with_their_pointers() {
    let host = Host::new();
    let mut source = policy("country");
    source.settings = json!({ "allow": ["US", 7], "mms_fallback": "maybe", "mmx": [] });
    let LoadFault::Settings(problems) = fault(&host, &source).await else { panic!("loaded") };
    let mut pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/allow/1", "/mms_fallback", "/mmx"], "{problems:?}");
}

#[tokio::test]
async fn settings_that_fit_the_schema_but_not_the_policy_are_refused_by_it() {
    let host = Host::new();
    let mut source = policy("country");
    source.settings = json!({ "rules": [{ "regions": [], "action": "block" }] });
    let LoadFault::Settings(problems) = fault(&host, &source).await else { panic!("loaded") };
    assert_eq!(problems[0].pointer, "/rules/0/regions", "{problems:?}");
}

#[tokio::test]
async fn what_only_the_policy_sees_is_told_beside_what_its_schema_sees() {
    let host = Host::new();
    let mut source = policy("throttle");
    source.settings = json!({ "salt": 1, "limits": [
        { "name": "c", "scope": "planet", "quota": 0, "per_s": 0, "burst": 1 },
        { "name": "b", "scope": "app", "quota": 0, "per_s": 99_999_999_999_u64 },
        { "name": "c", "scope": "app", "quota": 0, "per_s": 0 },
        { "name": "c", "scope": "app", "quota": 1, "per_s": 1, "burst": 2 },
    ] });
    let LoadFault::Settings(problems) = fault(&host, &source).await else { panic!("loaded") };
    let mut pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    pointers.sort_unstable();
    let wanted = [
        "/limits/0/burst",
        "/limits/0/per_s",
        "/limits/0/quota",
        "/limits/0/scope",
        "/limits/1/per_s",
        "/limits/1/quota",
        "/limits/2/name",
        "/limits/2/per_s",
        "/limits/2/quota",
        "/limits/3/burst",
        "/limits/3/name",
        "/salt",
    ];
    assert_eq!(pointers, wanted, "{problems:?}");
}

#[tokio::test]
async fn whole_numbers_that_are_written_as_floats_hide_nothing_else_that_is_wrong() {
    let host = Host::new();
    let mut source = policy("throttle");
    source.settings = json!({ "limits": [
        { "name": "a b", "scope": "app", "quota": 5.0, "per_s": 1e3 },
        { "name": "b", "scope": "app", "quota": 0.0, "per_s": 1 },
        { "name": "b", "scope": "planet", "quota": 1, "per_s": 1 },
    ] });
    let LoadFault::Settings(problems) = fault(&host, &source).await else { panic!("loaded") };
    let float = "is a float; give a whole number";
    let mut told: Vec<_> =
        problems.iter().map(|each| (each.pointer.as_str(), each.detail == float)).collect();
    told.sort_unstable();
    let wanted = [
        ("/limits/0/name", false),
        ("/limits/0/per_s", true),
        ("/limits/0/quota", true),
        ("/limits/1/quota", false),
        ("/limits/1/quota", true),
        ("/limits/2/name", false),
        ("/limits/2/scope", false),
    ];
    assert_eq!(told, wanted, "{problems:?}");
}

#[tokio::test]
async fn settings_with_nothing_wrong_but_a_float_are_refused_for_that_alone() {
    let host = Host::new();
    let mut source = policy("throttle");
    source.settings =
        json!({ "limits": [{ "name": "a", "scope": "app", "quota": 5.0, "per_s": 60 }] });
    let LoadFault::Settings(problems) = fault(&host, &source).await else { panic!("loaded") };
    let told: Vec<_> =
        problems.iter().map(|each| (each.pointer.as_str(), each.detail.as_str())).collect();
    assert_eq!(told, [("/limits/0/quota", "is a float; give a whole number")]);
}

#[tokio::test]
async fn a_grant_that_is_missing_hides_nothing_that_is_wrong_with_the_settings() {
    let host = Host::new();
    let mut source = policy("quiet-hours");
    source.grants = [Grant::Zones].into_iter().collect();
    let rule = json!({ "name": "x", "prefixes": ["+44"], "hours": "08:00" });
    let own = ["", "/hours", "/rules/0/hours", "/rules/0/prefixes"];
    let beside_the_schemas = ["", "/hours", "/intents/0", "/rules/0/hours", "/rules/0/prefixes"];
    for (intent, wanted) in [("otp", &own[..]), ("O T P", &beside_the_schemas)] {
        source.settings =
            json!({ "intents": [intent], "hours": "21:00-08:00", "rules": [rule.clone()] });
        let LoadFault::Settings(problems) = fault(&host, &source).await else { panic!("loaded") };
        let mut pointers: Vec<_> = problems.iter().map(|each| each.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, wanted, "{problems:?}");
    }
}

#[tokio::test]
async fn a_policy_that_does_not_come_back_from_configure_is_not_loaded() {
    let host = Host::new();
    let mut source = runaway();
    source.settings = json!({ "spin_on_configure": true });
    source.limits.time = Duration::from_millis(50);
    let fault = fault(&host, &source).await;
    assert!(
        matches!(fault, LoadFault::Trial { step: "configure", failure: PolicyFailure::Deadline }),
        "{}",
        said(&fault)
    );
}

#[tokio::test]
async fn a_memory_limit_that_the_module_starts_above_is_its_failure() {
    let host = Host::new();
    let mut source = runaway();
    source.limits.memory = 64 << 10;
    let fault = fault(&host, &source).await;
    let too_small = matches!(fault, LoadFault::Trial { failure: PolicyFailure::Memory(_), .. });
    assert!(too_small && said(&fault).contains("raise `memory_mb`"), "{}", said(&fault));
}

#[tokio::test]
async fn a_memory_limit_above_the_pools_is_refused() {
    let host = Host::new();
    let mut source = runaway();
    source.limits.memory = usize::MAX;
    assert!(matches!(fault(&host, &source).await, LoadFault::MemoryLimit { .. }));
}

#[tokio::test]
async fn every_policy_that_cannot_be_loaded_is_told_at_once() {
    let host = Host::new();
    let broken = |name: &str| PolicySource::new(PolicyName::new(name), &b"no module"[..]);
    let errors = host
        .runtime
        .build(None, &[broken("a"), country(), broken("b"), country()])
        .await
        .unwrap_err();
    let mut told: Vec<_> = errors.iter().map(|error| error.policy.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["a", "b", "country"]);
}
