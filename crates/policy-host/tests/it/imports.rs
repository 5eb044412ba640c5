//! What a guest hears from the host, and where the host stops listening.

use message::Timestamp;
use policy_host::{Candidate, Counter, Decision, Grant, Mode, PolicyChain};

use crate::host::{Host, ending, policy, sms};

/// The guest that makes the call that a message's text names.
async fn probe(host: &Host) -> PolicyChain {
    host.chain(&[policy("probe")]).await
}

/// What the guest heard.
async fn heard(chain: &PolicyChain, call: &str) -> String {
    let candidate = sms(call);
    answer(chain, candidate).await
}

async fn answer(chain: &PolicyChain, candidate: Candidate) -> String {
    match chain.clear(candidate).await {
        Ok(cleared) => noted(&cleared.decisions()[0]),
        not => ending(&not),
    }
}

/// What the guest heard in a dry run.
async fn heard_dry(chain: &PolicyChain, call: &str) -> String {
    noted(&chain.explain(sms(call)).await.trail.decisions[0])
}

fn noted(decision: &Decision) -> String {
    decision.notes.iter().find(|note| note.key == "probe.answer").unwrap().value.clone()
}

#[tokio::test]
async fn the_state_answers_every_call() {
    let host = Host::new();
    let chain = probe(&host).await;
    for (call, expected) in [
        ("get k", "nothing kept"),
        ("put k v 60000", "true"),
        ("put-if-absent k w 60000", "false"),
        ("get k", "v"),
        ("increment n 2 60000", "2"),
        ("increment n 3 60000", "5"),
        ("window w 1 60000 2", "w refused for 0 for good"),
    ] {
        assert_eq!(heard(&chain, call).await, expected, "{call}");
    }
}

#[tokio::test]
async fn keys_values_and_lives_out_of_bounds_are_refused_or_bounded() {
    let host = Host::new();
    let chain = probe(&host).await;
    let (longest_key, long_key) = ("k".repeat(256), "k".repeat(257));
    let (longest_value, long_value) = ("v".repeat(1_000), "v".repeat(4_097));
    assert_eq!(heard(&chain, &format!("put {longest_key} {longest_value} 60000")).await, "true");
    let undecided = "failed: undecided";
    assert_eq!(heard(&chain, &format!("get {long_key}")).await, undecided);
    assert_eq!(heard(&chain, &format!("reserve {long_key} 1000")).await, undecided);
    assert_eq!(heard(&chain, &format!("put k {long_value} 1000")).await, undecided);
    assert_eq!(heard(&chain, "window w 1 0 1").await, undecided);

    let mut later = sms("reserve r 1000");
    assert_eq!(heard(&chain, &format!("reserve r {}", u64::MAX)).await, "reserved");
    later.now = Timestamp(later.now.0 + 31 * 86_400_000);
    assert_eq!(answer(&chain, later).await, "reserved", "a reservation outlived 31 days");
}

#[tokio::test]
async fn charges_are_reported_for_the_answers_headers() {
    let host = Host::new();
    let chain = probe(&host).await;
    let cleared = chain.clear(sms("window app 10 60000 3")).await.unwrap();
    let report = &cleared.standings()[0];
    assert_eq!((report.limit.as_str(), report.quota(), report.remaining), ("app", 10, Some(7)));
    assert_eq!(report.period().unwrap().as_secs(), 60);
    assert!(!report.refused);
    assert_eq!(cleared.holds().len(), 1);
    cleared.settle(message::Settlement::Keep).await.unwrap();

    // Seven are left, and what is refused says nothing of them.
    for (cost, refused, remaining) in [(8, true, None), (7, false, Some(0)), (1, true, Some(0))] {
        let cleared = chain.clear(sms(&format!("window app 10 60000 {cost}"))).await.unwrap();
        let report = &cleared.standings()[0];
        assert_eq!((report.refused, report.remaining), (refused, remaining), "{cost}");
        assert_eq!(cleared.holds().len(), usize::from(!refused), "{cost}");
        cleared.settle(message::Settlement::Keep).await.unwrap();
    }
}

#[tokio::test]
async fn a_dry_run_sees_the_state_and_leaves_it_as_it_is() {
    let host = Host::new();
    let chain = probe(&host).await;
    assert_eq!(heard(&chain, "put k v 60000").await, "true");
    assert_eq!(heard(&chain, "increment n 2 60000").await, "2");
    for (call, expected) in [
        ("get k", "v"),
        ("put k w 60000", "true"),
        ("put-if-absent k w 60000", "false"),
        ("put-if-absent new w 60000", "true"),
        ("increment n 3 60000", "5"),
        ("increment new 3 60000", "3"),
        ("reserve r 60000", "reserved"),
        ("window w 10 60000 3", "w left 7 reset 60000 delay 0"),
        ("count seen 1", "counted"),
    ] {
        assert_eq!(heard_dry(&chain, call).await, expected, "{call}");
    }
    for (call, expected) in [
        ("get k", "v"),
        ("get n", "2"),
        ("get new", "nothing kept"),
        ("reserve r 1000", "reserved"),
    ] {
        assert_eq!(heard(&chain, call).await, expected, "{call}");
    }
    assert_eq!(host.runtime.counters(), []);
}

#[tokio::test]
async fn each_policy_has_a_name_space_of_its_own() {
    let host = Host::new();
    let mut other = policy("probe");
    other.name = policy_host::PolicyName::new("other");
    assert_eq!(heard(&probe(&host).await, "put k v 60000").await, "true");
    assert_eq!(heard(&host.chain(&[other]).await, "get k").await, "nothing kept");
}

#[tokio::test]
async fn counters_are_kept_by_policy_and_bounded() {
    let host = Host::new();
    let chain = probe(&host).await;
    for call in ["count seen 2", "count seen 3", "count Bad-Name 1"] {
        assert_eq!(heard(&chain, call).await, "counted", "{call}");
    }
    let policy = policy_host::PolicyName::new("probe");
    assert_eq!(host.runtime.counters(), [Counter { policy, name: "seen".to_owned(), value: 5 }]);
}

#[tokio::test]
async fn a_policy_in_the_shadow_counts_nothing_and_keeps_values_of_its_own() {
    let host = Host::new();
    assert_eq!(heard(&probe(&host).await, "put k v 60000").await, "true");
    let mut shadow = policy("probe");
    shadow.mode = Mode::Shadow;
    let shadow = host.chain(&[shadow]).await;
    for (call, expected) in [
        ("get k", "nothing kept"),
        ("put-if-absent k w 60000", "true"),
        ("get k", "w"),
        ("increment n 3 60000", "3"),
        ("count seen 1", "counted"),
    ] {
        assert_eq!(heard(&shadow, call).await, expected, "{call}");
    }
    assert_eq!(heard(&probe(&host).await, "get k").await, "v");
    assert_eq!(heard(&probe(&host).await, "get n").await, "nothing kept");
    assert_eq!(host.runtime.counters(), []);
}

#[tokio::test]
async fn another_number_is_classified() {
    let host = Host::new();
    let chain = probe(&host).await;
    assert_eq!(heard(&chain, "classify +447911123456").await, "GG NumberType::Mobile");
    assert_eq!(heard(&chain, "classify 4155550123").await, "no number");
}

#[tokio::test]
async fn clocks_of_a_zone_are_told_with_their_changes() {
    let host = Host::new();
    let chain = probe(&host).await;
    // 2026-03-01 and 2026-04-01; clocks in New York go forward on 2026-03-08 at 07:00 UTC.
    let asked = "offsets America/New_York 1772323200000 1775001600000";
    let said = "-18000 after 0 h; -14400 after 175 h";
    assert_eq!(heard(&chain, asked).await, said);
    assert_eq!(heard(&chain, "offsets nowhere 0 1").await, "");
    // However far a guest asks to look, 400 days are looked at: both changes of one year.
    let far = heard(&chain, "offsets America/New_York 1767225600000 9999999999999").await;
    assert_eq!(far.split("; ").count(), 3, "{far}");
}

#[tokio::test]
async fn without_the_grant_an_import_is_not_there() {
    let host = Host::new();
    let mut source = policy("probe");
    source.grants = [Grant::State].into_iter().collect();
    let error = host.runtime.load(&source).await.unwrap_err();
    let policy_host::LoadFault::MissingGrants(missing) = error.fault else { panic!("{error:?}") };
    let mut grants: Vec<_> = missing.iter().map(|each| each.grant.as_str()).collect();
    grants.sort_unstable();
    assert_eq!(grants, ["log", "media", "metrics", "telecom", "zones"]);
}
