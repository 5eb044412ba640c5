//! A module by itself: what it is, how it answers in rehearsal, and what a decision cost.

use std::sync::Arc;

use message::Settlement;
use policy_host::{Grant, Grants, LoadFault, PolicyName, Verdict};
use serde_json::{Value, json};
use store::MemoryLedger;

use crate::host::{Host, country, dedup, ending, module, runaway, sms, sms_to};

fn ledger() -> Arc<MemoryLedger> {
    Arc::new(MemoryLedger::default())
}

#[tokio::test]
async fn a_module_says_what_it_is_without_any_settings() {
    let host = Host::new();
    let load = async |name: &str| {
        let limits = runaway().limits;
        host.runtime.module(PolicyName::new(name), module(name).into(), limits).await.unwrap()
    };
    let guest = load("runaway").await;
    assert_eq!(guest.contract(), "sendgate:policy/guest@0.1.0");
    assert_eq!(guest.needs(), Grants::from_iter([Grant::State, Grant::Log]));
    assert_eq!(guest.imports(), ["sendgate:policy/state@0.1.0", "sendgate:policy/log@0.1.0"]);
    assert_eq!((guest.hooks().is_empty(), guest.cases()), (true, None));
    let dedup = load("dedup").await;
    assert_eq!(dedup.manifest().name, "dedup");
    let cases = String::from_utf8(dedup.cases().expect("it brings cases along").to_vec()).unwrap();
    assert!(cases.contains("[[case]]"), "{cases}");
    assert_eq!(load("probe").await.hooks()[..2], ["outcomes", "reports"]);
}

#[tokio::test]
async fn a_rehearsal_has_settings_and_a_memory_of_its_own() {
    let host = Host::new();
    let chain = host.chain(&[dedup()]).await;
    let module = chain.policies()[0].module();
    let grants = module.needs();
    let rehearsed = module
        .rehearse(&json!({ "window_s": 60 }), grants, ledger(), Arc::default())
        .await
        .unwrap();
    let first = rehearsed.clear(sms("hi")).await.unwrap();
    first.settle(Settlement::Keep).await.unwrap();

    assert_eq!(ending(&rehearsed.clear(sms("hi")).await), "dup.content");
    assert_eq!(
        ending(&chain.clear(sms("hi")).await),
        "cleared",
        "the chain in force never heard of it"
    );
    let fault = module
        .rehearse(&json!({ "window_s": "x" }), grants, ledger(), Arc::default())
        .await
        .unwrap_err();
    assert!(
        matches!(&fault, LoadFault::Settings(problems) if problems[0].pointer == "/window_s"),
        "{fault:?}"
    );
    let fault = module
        .rehearse(&Value::Null, Grants::default(), ledger(), Arc::default())
        .await
        .unwrap_err();
    let said = fault.to_string();
    assert!(said.contains("`sendgate:policy/state@0.1.0`; add \"state\" to `grants`"), "{said}");
}

#[tokio::test]
async fn idle_instances_of_a_rehearsal_go_with_it() {
    let host = Host::with(|options| {
        // Two may be visited and two idle at once.
        options.instances = 4;
    });
    let chain = host.chain(&[country()]).await;
    let module = chain.policies()[0].module();
    let settings = json!({ "allow": ["FR"] });
    for _ in 0..20 {
        let rehearsed =
            module.rehearse(&settings, Grants::default(), ledger(), Arc::default()).await.unwrap();
        let to_france = rehearsed.clear(sms_to("+33612345678", "hi")).await;
        assert_eq!(ending(&to_france), "cleared");
    }
    assert_eq!(ending(&chain.clear(sms("hi")).await), "cleared");
    assert_eq!(chain.policies()[0].idle_instances(), 1);
}

#[tokio::test]
async fn a_decision_says_what_it_cost() {
    let host = Host::new();
    let limits = runaway().limits;
    let chain = host.chain(&[runaway()]).await;

    let quiet = chain.clear(sms("hi")).await.unwrap();
    let hoarding = chain.clear(sms("hoard")).await.unwrap_err();

    let (quiet, hoarding) = (&quiet.decisions()[0], &hoarding.trail.decisions[0]);
    assert!(quiet.guest <= quiet.elapsed && !quiet.guest.is_zero(), "{quiet:?}");
    assert!(matches!(hoarding.verdict, Verdict::Failed { kind: "memory", .. }), "{hoarding:?}");
    assert!(quiet.memory > 1 << 19 && quiet.memory < hoarding.memory, "{quiet:?} {hoarding:?}");
    assert!(hoarding.memory <= limits.memory, "{hoarding:?}");
}
