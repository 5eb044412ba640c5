//! One chain after the other.

use std::time::Duration;

use policy_host::{LoadFault, OnFailure, PolicyName, PolicySource};
use serde_json::json;
use tokio::task::yield_now;

use crate::host::{Host, country, ending, module, runaway, sms, sms_to};

#[tokio::test]
async fn what_did_not_change_is_taken_over_with_its_warm_instances() {
    let host = Host::new();
    let first = host.chain(&[country(), runaway()]).await;
    drop(first.clear(sms("hello")).await.unwrap());
    let mut canada = country();
    canada.settings = json!({ "allow": ["CA"] });
    let mut open = runaway();
    open.on_failure = OnFailure::Accept;

    let second = host.next_chain(Some(&first), &[canada, open]).await;

    assert!(second.generation() > first.generation());
    assert!(!second.policies()[0].shares_revision_with(&first.policies()[0]));
    assert!(second.policies()[1].shares_revision_with(&first.policies()[1]));
    assert_eq!(second.policies()[1].idle_instances(), 1, "the warm instance was lost");
    assert_eq!(second.policies()[1].on_failure(), OnFailure::Accept);
    assert!(!second.decides_like(&first));
    assert_eq!(ending(&second.clear(sms("hello")).await), "country.not_allowed");
}

#[tokio::test]
async fn settings_that_name_an_app_are_looked_at_again_when_the_apps_change() {
    let host = Host::new();
    let mut source = country();
    source.settings =
        json!({ "rules": [{ "regions": ["GB"], "apps": ["billing"], "action": "block" }] });
    source.known_apps = Some(["billing".into()].into());
    let first = host.chain(&[source.clone()]).await;
    source.known_apps = Some(["billing".into(), "shop".into()].into());
    let second = host.next_chain(Some(&first), &[source.clone()]).await;
    assert!(second.policies()[0].shares_revision_with(&first.policies()[0]));

    source.known_apps = Some(["shop".into()].into());
    let errors = host.runtime.faults(Some(&second), &[source]).await;

    let [error] = &errors[..] else { panic!("{errors:?}") };
    let LoadFault::Settings(problems) = &error.fault else { panic!("{error:?}") };
    assert_eq!(problems[0].pointer, "/rules/0/apps/0", "{problems:?}");
}

#[tokio::test]
async fn a_chain_of_the_same_sources_decides_alike() {
    let host = Host::new();
    let first = host.chain(&[country(), runaway()]).await;
    let second = host.next_chain(Some(&first), &[country(), runaway()]).await;
    assert!(second.decides_like(&first));
    let turned = host.next_chain(Some(&first), &[runaway(), country()]).await;
    assert!(!turned.decides_like(&first), "the order of the policies did not count");
    let fewer = host.next_chain(Some(&first), &[country()]).await;
    assert!(!fewer.decides_like(&first));
}

#[tokio::test]
async fn sources_that_were_loaded_anew_decide_alike() {
    let host = Host::new();
    let first = host.chain(&[country()]).await;
    let again = host.chain(&[country()]).await;
    assert!(!again.policies()[0].shares_revision_with(&first.policies()[0]));
    assert!(again.decides_like(&first));
    let mut canada = country();
    canada.settings = json!({ "allow": ["CA"] });
    assert!(!host.chain(&[canada]).await.decides_like(&first), "settings did not count");
}

#[tokio::test]
async fn a_request_in_flight_ends_on_the_chain_it_took() {
    let host = Host::new();
    let taken = host.chain(&[country()]).await;
    let mut canada = country();
    canada.settings = json!({ "allow": ["CA"] });
    let next = host.next_chain(Some(&taken), &[canada]).await;

    next.take_place_of(&taken);

    assert_eq!(ending(&taken.clear(sms("hello")).await), "cleared");
    assert_eq!(ending(&next.clear(sms("hello")).await), "country.not_allowed");
    assert_eq!(taken.policies()[0].idle_instances(), 0, "a replaced policy kept an instance");
}

#[tokio::test]
async fn a_chain_that_was_brought_back_keeps_warm_instances_again() {
    let host = Host::new();
    let first = host.chain(&[country()]).await;
    let second = host.chain(&[runaway()]).await;
    second.take_place_of(&first);

    let third = first.renewed(second.generation().next());
    third.take_place_of(&second);

    assert!(third.decides_like(&first));
    drop(third.clear(sms("hello")).await.unwrap());
    assert_eq!(third.policies()[0].idle_instances(), 1);
}

/// A policy called `rule` with the module of `of`.
fn rule(of: PolicySource) -> PolicySource {
    PolicySource { name: PolicyName::new("rule"), on_failure: OnFailure::LastGood, ..of }
}

#[tokio::test]
async fn a_revision_that_fails_is_stood_in_for_by_the_one_before() {
    let host = Host::new();
    let good = host.chain(&[rule(country())]).await;
    let bad = host.next_chain(Some(&good), &[rule(runaway())]).await;

    let cleared = bad.clear(sms("panic")).await.unwrap();
    let verdicts: Vec<_> =
        cleared.decisions().iter().map(|d| (d.verdict.as_str(), d.digest)).collect();
    let digest = |name| policy_host::Digest::of(&module(name));
    assert_eq!(verdicts, [("failure", digest("runaway")), ("accept", digest("country"))]);

    let refused = bad.clear(sms_to("+447911123456", "panic")).await;
    assert_eq!(ending(&refused), "country.not_allowed");
}

#[tokio::test]
async fn a_failing_revision_is_never_the_last_good_one() {
    let host = Host::new();
    let good = host.chain(&[rule(country())]).await;
    let bad = host.next_chain(Some(&good), &[rule(runaway())]).await;
    drop(bad.clear(sms("panic")).await.unwrap());
    let mut other = rule(runaway());
    other.limits.max_calls += 1;

    let worse = host.next_chain(Some(&bad), &[other]).await;

    let cleared = worse.clear(sms("panic")).await.unwrap();
    assert_eq!(cleared.decisions()[1].digest, policy_host::Digest::of(&module("country")));
}

/// A policy `rule` that does as `request` says where the text is `hello`.
fn on_hello(request: &str) -> PolicySource {
    let mut source = rule(runaway());
    source.settings = json!({ "on_text": { "hello": request } });
    source
}

/// Whether the policy that `good` decides by stands in for the next one that fails, and not an older one.
async fn stands_in_next(host: &Host, good: &policy_host::PolicyChain) -> bool {
    let failing = host.next_chain(Some(good), &[on_hello("panic")]).await;
    ending(&failing.clear(sms("hello")).await) == "test.good"
}

#[tokio::test]
async fn what_fails_in_an_explanation_stays_the_last_good_revision() {
    let host = Host::new();
    let older = host.chain(&[rule(country())]).await;
    let good = host.next_chain(Some(&older), &[on_hello("refuse test.good")]).await;

    let explained = good.explain(sms("panic")).await;

    assert_eq!(explained.trail.decisions[0].verdict.as_str(), "failure");
    assert!(stands_in_next(&host, &good).await, "an older revision stood in");
}

#[tokio::test]
async fn an_explanation_that_goes_well_makes_no_failing_revision_good() {
    let host = Host::new();
    let older = host.chain(&[rule(country())]).await;
    let bad = host.next_chain(Some(&older), &[on_hello("refuse test.good")]).await;
    drop(bad.clear(sms("panic")).await.unwrap());

    let explained = bad.explain(sms("see you")).await;

    assert_eq!(explained.trail.decisions[0].verdict.as_str(), "accept");
    assert!(!stands_in_next(&host, &bad).await, "a failing revision stood in");
}

/// Half of two instances may be visited at once, and a guest of another chain spins in it.
#[tokio::test]
async fn what_finds_no_free_instance_stays_the_last_good_revision_and_none_stands_in() {
    let host = Host::with(|options| {
        options.instances = 2;
        options.state_wait = Duration::from_millis(1);
    });
    let hasty = |mut source: PolicySource| {
        source.limits.time = Duration::from_millis(50);
        source
    };
    let older = host.chain(&[hasty(rule(country()))]).await;
    let good = host.next_chain(Some(&older), &[hasty(on_hello("refuse test.good"))]).await;
    let mut patient = runaway();
    patient.limits.time = Duration::from_secs(60);
    let patient = host.chain(&[patient]).await;
    let spins = patient.clear(sms("spin"));
    let crowded = async {
        yield_now().await;
        good.clear(sms("hello")).await
    };

    tokio::select! {
        biased;
        _ = spins => panic!("it ended before its time"),
        crowded = crowded => assert_eq!(ending(&crowded), "failed: no_instance"),
    }

    assert!(stands_in_next(&host, &good).await, "an older revision stood in");
}

#[tokio::test]
async fn without_a_last_good_revision_a_failure_refuses() {
    let host = Host::new();
    let chain = host.chain(&[rule(runaway())]).await;
    assert_eq!(ending(&chain.clear(sms("panic")).await), "failed: trap");
}
