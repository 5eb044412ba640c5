//! A candidate beside a policy: asked about the same messages, compared, and never heeded.

use std::time::Duration;

use message::{E164, MessageId, Settlement};
use policy_host::{
    Afterwards, CandidateSource, DifferenceKind, ErrorBudget, Inbound, Mode, NotPromoted,
    OnFailure, Outcome, PolicyChain, PolicySource, TrialReport, TrialRules, TrialStanding,
};
use serde_json::{Value, json};

use crate::host::{Host, country, dedup, ending, module, policy, runaway, sms, sms_to};

/// `own` with the same module under other settings on trial.
fn beside(own: PolicySource, settings: Value) -> PolicySource {
    with(own.clone(), own.name.as_str(), settings)
}

/// `own` with the module `candidate` on trial.
fn with(own: PolicySource, candidate: &str, settings: Value) -> PolicySource {
    let (module, rules) = (marked(candidate).into(), TrialRules::default());
    PolicySource { candidate: Some(CandidateSource { module, settings, rules }), ..own }
}

/// The module with a custom section more: other bytes that decide the same.
fn marked(name: &str) -> Vec<u8> {
    // WebAssembly 1.0, 5.5.3: id, size, the name's length, the name.
    [module(name), vec![0, 5, 4, b'm', b'a', b'r', b'k']].concat()
}

/// The same with other rules for the trial.
fn under(mut source: PolicySource, rule: impl FnOnce(&mut TrialRules)) -> PolicySource {
    rule(&mut source.candidate.as_mut().unwrap().rules);
    source
}

/// The guest that does as the text says, beside one that does as `on_hello` says where the text is `hello`.
fn guests(on_hello: &str) -> PolicySource {
    beside(runaway(), json!({ "on_text": { "hello": on_hello } }))
}

fn trial(chain: &PolicyChain) -> TrialReport {
    chain.policies()[0].trial().unwrap()
}

async fn clear_and_keep(chain: &PolicyChain, text: &str) -> String {
    let cleared = chain.clear(sms(text)).await;
    let ending = ending(&cleared);
    if let Ok(cleared) = cleared {
        cleared.settle(Settlement::Keep).await.unwrap();
    }
    ending
}

#[tokio::test]
async fn both_see_each_message_and_the_one_in_force_decides() {
    let host = Host::new();
    let chain = host.chain(&[beside(country(), json!({ "allow": ["FR"] }))]).await;
    let (home, abroad) = (sms("hello"), sms_to("+33612345678", "hello"));
    let (at, id) = (abroad.now, abroad.message.id.clone());

    let cleared = chain.clear(home).await.unwrap();
    assert_eq!(ending(&chain.clear(abroad).await), "country.not_allowed");

    let decisions: Vec<_> =
        cleared.decisions().iter().map(|each| (each.mode, each.verdict.as_str())).collect();
    assert_eq!(decisions, [(Mode::Candidate, "reject"), (Mode::Enforce, "accept")]);
    let report = trial(&chain);
    assert_eq!((report.compared, report.differed), (2, [2, 2, 0, 0]));
    let latest = &report.differences[1];
    assert_eq!((latest.at, &latest.message, &*latest.app), (at, &id, "billing"));
    assert_eq!(latest.kinds, [DifferenceKind::Verdict, DifferenceKind::Code]);
    assert_eq!((latest.in_force.verdict, latest.candidate.verdict), ("reject", "accept"));
    assert_eq!(latest.in_force.codes, ["country.not_allowed"]);
    assert!(!format!("{report:?}").contains("3361"), "a number is remembered");
}

#[tokio::test]
async fn each_kind_of_difference_is_told_from_the_others() {
    let host = Host::new();
    for (own, other, differed) in [
        ("nothing", "nothing else", [0, 0, 0, 0]),
        ("nothing", "refuse test.other", [1, 1, 0, 0]),
        ("panic", "nothing", [1, 1, 0, 0]),
        ("nothing", "amend changed", [1, 1, 0, 0]),
        ("nothing", "notes 1", [0, 0, 0, 1]),
        ("refuse test.one", "refuse test.other", [0, 1, 0, 0]),
        ("amend one", "amend other", [0, 0, 1, 0]),
        ("amend one", "amend one", [0, 0, 0, 0]),
        // What neither could decide says nothing of either.
        ("panic", "undecided", [0, 0, 0, 0]),
    ] {
        let mut source = runaway();
        source.settings = json!({ "on_text": { "hello": own } });
        let chain = host.chain(&[beside(source, json!({ "on_text": { "hello": other } }))]).await;
        drop(chain.clear(sms("hello")).await);
        let report = trial(&chain);
        assert_eq!(report.differed, differed, "{own} and {other}");
        let remembered = differed[..3] != [0, 0, 0];
        assert_eq!(report.differences.len(), usize::from(remembered), "{own} and {other}");
    }
}

#[tokio::test]
async fn what_a_candidate_says_changes_and_fails_is_not_heeded() {
    let host = Host::new();
    for request in ["refuse test.no", "amend changed", "redirect +14155550199", "panic", "notes 3"]
    {
        let chain = host.chain(&[guests(request)]).await;
        let candidate = sms("hello");
        let cleared = chain.clear(candidate.clone()).await.unwrap();
        assert_eq!(cleared.message(), &candidate.message, "{request}");
        assert_eq!((cleared.changes(), cleared.warnings()), (&[][..], &[][..]), "{request}");
        assert_eq!(cleared.decisions().len(), 2, "{request}");
    }
}

#[tokio::test]
async fn each_remembers_apart_and_neither_takes_its_own_message_for_anothers() {
    let host = Host::new();
    let chain = host.chain(&[beside(dedup(), json!({ "window_s": 60 }))]).await;

    let cleared = chain.clear(sms("hello")).await.unwrap();
    let owners: Vec<_> = cleared.holds().iter().map(|hold| hold.owner.as_str()).collect();
    assert_eq!(owners, ["dedup", "dedup~shadow"]);
    cleared.settle(Settlement::Keep).await.unwrap();

    assert_eq!(clear_and_keep(&chain, "hello").await, "dup.content");
    let report = trial(&chain);
    assert_eq!((report.compared, report.differed), (2, [0, 0, 0, 0]), "{report:?}");
}

#[tokio::test]
async fn a_candidate_counts_what_was_sent_and_refuses_by_its_own_limit() {
    let host = Host::new();
    let limit = |quota| json!({ "limits": [{ "name": "app", "scope": "app", "quota": quota, "per_s": 3600 }] });
    let mut throttle = policy("throttle");
    throttle.settings = limit(4);
    let chain = host.chain(&[beside(throttle, limit(2)), runaway()]).await;
    // A later policy's refusal gives back what both took.
    assert_eq!(clear_and_keep(&chain, "refuse test.no").await, "test.no");

    let mut endings = Vec::new();
    for nth in 0..5 {
        endings.push(clear_and_keep(&chain, &format!("hello {nth}")).await);
    }

    assert_eq!(endings, ["cleared", "cleared", "cleared", "cleared", "throttle.app"]);
    let report = trial(&chain);
    let codes: Vec<_> = report.differences.iter().map(|each| &each.candidate.codes[..]).collect();
    assert_eq!(codes, [["throttle.app"], ["throttle.app"]], "of the third and the fourth");
    assert_eq!(report.compared, 6);
}

#[tokio::test]
async fn an_explanation_shows_the_candidates_word_and_compares_nothing() {
    let host = Host::new();
    let chain = host.chain(&[with(dedup(), "country", json!({ "allow": ["GB"] }))]).await;

    let explained = chain.explain(sms("hello")).await;

    let modes: Vec<_> =
        explained.trail.decisions.iter().map(|each| (each.mode, each.verdict.as_str())).collect();
    assert_eq!(modes, [(Mode::Candidate, "reject"), (Mode::Enforce, "accept")]);
    assert_eq!(trial(&chain).compared, 0);
    assert_eq!(host.ledger.asked(), ["holder"]);
}

#[tokio::test]
async fn a_candidate_hears_of_outcomes_and_keeps_them_apart() {
    let host = Host::new();
    let chain = host.chain(&[with(policy("probe"), "probe", json!({}))]).await;
    let candidate = sms("hello");
    let (id, now) = (candidate.message.id.clone(), candidate.now);
    drop(chain.clear(candidate).await.unwrap());
    let about = Afterwards { id: &id, app: "billing", door: "messages", now };
    chain.tell_outcome(about, Outcome::Accepted).await;
    assert_eq!(host.ledger.asked(), ["put", "put"]);

    let cleared = chain.clear(sms(&format!("told {id}"))).await.unwrap();

    let told: Vec<_> = cleared
        .decisions()
        .iter()
        .flat_map(|each| &each.notes)
        .filter(|note| note.key == "probe.answer")
        .map(|note| note.value.as_str())
        .collect();
    assert_eq!(told, ["accepted", "accepted"]);
}

#[tokio::test]
async fn a_candidate_hears_from_handsets_too_and_neither_its_words_nor_its_failures_count() {
    let host = Host::new();
    let chain = host.chain(&[with(policy("probe"), "probe", json!({}))]).await;
    let (id, now) = (MessageId("in-1".into()), sms("x").now);
    let about = Afterwards { id: &id, app: "", door: "callback", now };
    let sender = E164::parse("+14155550123", "/sender").unwrap();
    let says = |text| Inbound { sender: &sender, to: "12345", text };

    let made = chain.tell_inbound(about, says("put k v 1000")).await.unwrap();

    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(host.ledger.asked(), ["put", "put"]);
    let failing = host.chain(&[with(country(), "probe", json!({}))]).await;
    assert_eq!(failing.tell_inbound(about, says("fail")).await.unwrap(), []);
}

#[tokio::test]
async fn a_trial_goes_on_over_a_reload_and_begins_anew_with_another_revision() {
    let host = Host::new();
    let first = host.chain(&[guests("refuse test.no")]).await;
    drop(first.clear(sms("hello")).await);

    let mut open = guests("refuse test.no");
    open.on_failure = OnFailure::Accept;
    let second = host.next_chain(Some(&first), &[open, country()]).await;
    assert_eq!(trial(&second).compared, 1);
    assert!(!second.decides_like(&first));

    let third = host.next_chain(Some(&second), &[guests("refuse test.never")]).await;
    assert_eq!(trial(&third).compared, 0);
    assert!(third.policies()[0].shares_revision_with(&second.policies()[0]));
    let alone = host.next_chain(Some(&third), &[runaway()]).await;
    assert!(alone.policies()[0].trial().is_none());
    assert!(!alone.decides_like(&third), "a candidate did not count");
}

#[tokio::test]
async fn a_candidate_that_is_what_is_in_force_is_no_trial_and_one_that_comes_into_force_stays_warm()
{
    let host = Host::new();
    let first = host.chain(&[beside(country(), json!({ "allow": ["CA"] }))]).await;
    drop(first.clear(sms("hello")).await);
    let mut same = beside(country(), json!({ "allow": ["CA"] }));
    (same.module, same.settings) = (marked("country").into(), json!({ "allow": ["CA"] }));

    let second = host.next_chain(Some(&first), &[same]).await;

    assert!(second.policies()[0].trial().is_none());
    assert_eq!(second.policies()[0].idle_instances(), 1);
}

#[tokio::test]
async fn a_candidate_that_does_not_load_is_told_from_its_policy() {
    let host = Host::new();
    let source = beside(country(), json!({ "allow": 7 }));
    let errors = host.runtime.build(None, &[source]).await.unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].candidate, "{errors:?}");
}

#[tokio::test]
async fn so_many_differences_are_remembered_and_all_are_counted() {
    let host = Host::new();
    let chain = host.chain(&[guests("refuse test.no")]).await;
    for _ in 0..203 {
        assert_eq!(clear_and_keep(&chain, "hello").await, "cleared");
    }
    let report = trial(&chain);
    assert_eq!((report.compared, report.differed), (203, [203, 203, 0, 0]));
    assert_eq!(report.differences.len(), 200);
}

#[tokio::test]
async fn a_candidate_that_fails_too_often_where_the_policy_does_not_is_dropped() {
    let host = Host::new();
    let budget = ErrorBudget { failures: 3, window: Duration::from_secs(3_600) };
    let with_budget = || under(guests("panic"), |rules| rules.budget = budget);
    let chain = host.chain(&[with_budget()]).await;
    for _ in 0..3 {
        // Both fail at this one, so it tells nothing against the candidate.
        assert_eq!(ending(&chain.clear(sms("panic")).await), "failed: trap");
    }
    for nth in 1..=3 {
        assert_eq!(trial(&chain).standing, TrialStanding::OnTrial, "before failure {nth}");
        assert_eq!(chain.clear(sms("hello")).await.unwrap().decisions().len(), 2);
    }

    assert_eq!(trial(&chain).standing, TrialStanding::Dropped("trap"));
    assert_eq!(chain.clear(sms("hello")).await.unwrap().decisions().len(), 1, "it was asked");
    assert_eq!(trial(&chain).compared, 3, "what neither could decide was compared");
    let refused = chain.promoted("runaway").unwrap_err();
    assert_eq!(refused, NotPromoted::Dropped("trap"));

    let again = host.next_chain(Some(&chain), &[with_budget(), country()]).await;
    assert_eq!(trial(&again).standing, TrialStanding::Dropped("trap"), "a reload asks it again");
    let mended = under(guests("nothing"), |rules| rules.budget = budget);
    let mended = host.next_chain(Some(&again), &[mended]).await;
    assert_eq!(trial(&mended).standing, TrialStanding::OnTrial);
}

#[tokio::test]
async fn a_candidate_passes_after_so_many_messages_in_a_row_without_a_difference_that_matters() {
    let host = Host::new();
    let source = under(guests("refuse test.no"), |rules| rules.promote_after = Some(3));
    let chain = host.chain(&[source]).await;
    let passed = host.runtime.candidate_passed();
    for (text, alike) in [("a", 1), ("b", 2), ("hello", 0), ("a", 1), ("b", 2)] {
        drop(chain.clear(sms(text)).await.unwrap());
        assert_eq!(trial(&chain).alike, alike, "{text}");
        assert!(!chain.policies()[0].is_passed(), "{text}");
    }

    drop(chain.clear(sms("c")).await.unwrap());

    tokio::time::timeout(Duration::from_secs(60), passed).await.unwrap();
    assert!(chain.policies()[0].is_passed());

    let next = chain.promoted("runaway").unwrap();
    next.take_place_of(&chain);
    assert_eq!(ending(&next.clear(sms("hello")).await), "test.no");
    assert!(next.policies()[0].trial().is_none());
    assert!(next.policies()[0].idle_instances() > 0, "its warm instances were lost");

    // Brought back, the policy before is not compared any more: it would be replaced again at once.
    let back = chain.renewed(next.generation().next());
    assert_eq!(back.clear(sms("hello")).await.unwrap().decisions().len(), 1);
    assert_eq!(trial(&back).standing, TrialStanding::RolledBack);
    assert!(!back.policies()[0].is_passed());
    assert!(back.promoted("runaway").is_ok(), "by hand");
}

#[tokio::test]
async fn what_the_candidate_or_both_cannot_decide_is_no_step_towards_promotion() {
    let host = Host::new();
    let source = under(guests("panic"), |rules| {
        rules.promote_after = Some(3);
        // So that a failure is no difference that matters.
        rules.watched = vec![DifferenceKind::Notes];
    });
    let chain = host.chain(&[source]).await;
    for (text, alike, compared) in [
        ("a", 1, 1),
        ("b", 2, 2),
        // Both fail.
        ("panic", 2, 2),
        ("panic", 2, 2),
        // The candidate alone does.
        ("hello", 0, 3),
        ("hello", 0, 4),
        ("c", 1, 5),
    ] {
        drop(chain.clear(sms(text)).await);
        let report = trial(&chain);
        assert_eq!((report.alike, report.compared), (alike, compared), "after {text}");
        assert!(!chain.policies()[0].is_passed(), "after {text}");
    }
}

#[tokio::test]
async fn only_a_policy_with_a_candidate_is_promoted_and_the_one_before_can_stand_in() {
    let host = Host::new();
    let mut source = guests("panic");
    source.on_failure = OnFailure::LastGood;
    let chain = host.chain(&[source, country()]).await;
    assert_eq!(chain.promoted("nobody").unwrap_err(), NotPromoted::NoSuchPolicy);
    assert_eq!(chain.promoted("country").unwrap_err(), NotPromoted::NoCandidate);

    let promoted = chain.promoted("runaway").unwrap();

    let cleared = promoted.clear(sms("hello")).await.unwrap();
    let verdicts: Vec<_> = cleared.decisions().iter().map(|each| each.verdict.as_str()).collect();
    assert_eq!(verdicts, ["failure", "accept", "accept"]);
}
