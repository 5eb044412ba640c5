//! A far ledger is asked once, before the policies ask, and nothing else is different.

use message::{Foreseen, Ledger, MessageId, Settlement, StateAnswer};
use policy_host::{
    Candidate, CandidateSource, ErrorBudget, Isolation, Mode, OnFailure, PolicyName, PolicySource,
    TrialRules,
};
use serde_json::json;

use crate::host::{Host, country, dedup, ending, module, policy, runaway, sms};
use crate::spans::written;

fn far() -> Host {
    let host = Host::with(|options| options.record = true);
    host.ledger.is_far_away();
    host
}

fn throttle(quota: u32) -> PolicySource {
    let mut source = policy("throttle");
    let limit = json!({ "name": "app", "scope": "app", "quota": quota, "per_s": 3600 });
    source.settings = json!({ "limits": [limit] });
    source
}

fn named(mut source: PolicySource, name: &str) -> PolicySource {
    source.name = PolicyName::new(name);
    source
}

/// Policies of every kind: in the shadow, with a candidate, with an error budget, asked again, without state.
fn every_kind() -> Vec<PolicySource> {
    let again = named(PolicySource { grants: [].into_iter().collect(), ..country() }, "again");
    let probe = PolicySource {
        isolation: Isolation::Fresh,
        on_failure: OnFailure::Accept,
        ..policy("probe")
    };
    let shadow = named(PolicySource { mode: Mode::Shadow, ..dedup() }, "shadow");
    let other = CandidateSource {
        module: module("dedup").into(),
        settings: json!({ "mode": "flag" }),
        rules: TrialRules::default(),
    };
    let dedup = PolicySource { candidate: Some(other), ..dedup() };
    let hour = std::time::Duration::from_secs(3_600);
    let runaway = PolicySource {
        on_failure: OnFailure::Accept,
        budget: Some(ErrorBudget { failures: 3, window: hour }),
        ..runaway()
    };
    vec![again, probe, shadow, dedup, runaway, throttle(9)]
}

/// The `nth` message, which says `text`.
fn saying(nth: usize, text: &str) -> Candidate {
    let mut candidate = sms(text);
    candidate.message.id = MessageId(format!("m{nth}").into());
    candidate
}

const TEXTS: [&str; 24] = [
    "hello",
    "hello",
    "log a line",
    "chatty 3",
    "count seen 2",
    "count seen 2",
    "get k",
    "put k v 60000",
    "get k",
    "put-if-absent k w 60000",
    "increment n 2 60000",
    "increment n 2 60000 again",
    "increment n 2 60000",
    "window w 3 3600000 2",
    "window w 3 3600000 2",
    "panic",
    "undecided",
    "refuse test.no",
    "amend other",
    "amend hello",
    "panic again",
    "panic once more",
    "hello",
    "the last",
];

/// All that is seen of the messages.
async fn seen(host: &Host) -> Vec<String> {
    let chain = host.chain(&every_kind()).await;
    let (written, guard) = written();
    let mut seen = Vec::new();
    for (nth, text) in TEXTS.iter().enumerate() {
        let result = chain.clear(saying(nth, text)).await;
        let ended = ending(&result);
        let (decisions, held) = match result {
            Ok(cleared) => {
                let held =
                    cleared.holds().iter().map(|hold| format!("{} {}", hold.owner, hold.key));
                let held: Vec<String> = held.collect();
                let (_, _, trail, holds) = cleared.entrust();
                host.ledger.settle(holds, Settlement::Keep).await.unwrap();
                (trail.decisions, held)
            }
            Err(not) => (not.trail.decisions, Vec::new()),
        };
        let told = decisions.iter().map(|decision| {
            let (verdict, notes) = (decision.verdict.codes(), &decision.notes);
            let calls = &decision.basis.as_ref().unwrap().calls;
            let (policy, mode, host_calls) = (&decision.policy, decision.mode, decision.host_calls);
            format!("{policy} {mode:?} {verdict:?} {notes:?} {host_calls} {calls:?}")
        });
        seen.push(format!("{text}: {ended} holding {held:?}"));
        seen.extend(told);
    }
    drop(guard);
    seen.push(format!("{:?}", host.runtime.counters()));
    for policy in chain.policies() {
        let budget = policy.budget().map(|report| (report.tripped_for.is_some(), report.trips));
        let trial = policy.trial().map(|trial| (trial.compared, trial.alike, trial.differed));
        seen.push(format!("{} {budget:?} {trial:?}", policy.name()));
    }
    seen.extend(written.names());
    seen
}

#[tokio::test]
async fn nothing_that_is_seen_of_a_message_tells_whether_the_ledger_is_far() {
    let (near, far) = (Host::with(|options| options.record = true), far());

    let (expected, found) = (seen(&near).await, seen(&far).await);

    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected, found);
    }
    assert_eq!(expected.len(), found.len());
    assert!(!near.ledger.asked().contains(&"foretell"));
    let calls = |host: &Host| host.ledger.asked().len();
    assert!(calls(&far) * 3 < calls(&near) * 2, "{} of {}", calls(&far), calls(&near));
}

#[tokio::test]
async fn what_is_hoped_for_is_one_trip_and_what_is_not_is_one_more() {
    let host = far();
    let chain = host.chain(&[dedup(), throttle(2)]).await;
    let mut trips = Vec::new();
    for text in ["hello", "hello", "other", "third"] {
        let before = host.ledger.asked().len();
        let result = chain.clear(sms(text)).await;
        let ended = ending(&result);
        if let Ok(cleared) = result {
            cleared.settle(Settlement::Keep).await.unwrap();
        }
        trips.push((ended, host.ledger.asked()[before..].to_vec()));
    }
    let expected = ["cleared", "dup.content", "cleared", "throttle.app"];
    assert_eq!(trips, expected.map(|ended| (ended.to_owned(), vec!["foretell"])));

    // Whose answer is another one than is hoped for goes on, and what it asks then is asked in one more.
    let wanted = [policy("probe"), named(dedup(), "later"), named(throttle(3), "last")];
    let told = host.chain(&wanted).await;
    for (text, trips) in [("get k", 1), ("get k ", 2)] {
        let before = host.ledger.asked().len();
        let cleared = told.clear(sms(text)).await.unwrap();
        cleared.settle(Settlement::Keep).await.unwrap();
        assert_eq!(host.ledger.asked()[before..], vec!["foretell"; trips], "{text:?}");
        keep(&host, "probe").await;
    }

    // After four trips for one message, what is left is asked as it comes.
    let owners = ["a", "b", "c", "d", "e", "f"];
    let many = host.chain(&owners.map(|name| named(policy("probe"), name))).await;
    for asked in [vec!["foretell"], [vec!["foretell"; 4], vec!["get"; 2]].concat()] {
        let before = host.ledger.asked().len();
        assert_eq!(ending(&many.clear(sms("get k")).await), "cleared");
        assert_eq!(host.ledger.asked()[before..], asked);
        for owner in owners {
            keep(&host, owner).await;
        }
    }

    // What is kept or added to is asked by the policy itself, and so is what comes behind.
    let before = host.ledger.asked().len();
    assert_eq!(ending(&told.clear(sms("increment n 1 60000")).await), "cleared");
    assert_eq!(host.ledger.asked()[before..], ["increment", "reserve", "take"]);
}

/// So that its next question is not answered as is hoped for.
async fn keep(host: &Host, owner: &str) {
    let (minute, now) = (std::time::Duration::from_secs(60), sms("").now);
    host.ledger.put(owner, "k", b"v".into(), minute, false, now).await.unwrap();
}

#[tokio::test]
async fn where_policies_ask_nothing_or_without_policies_there_is_no_trip() {
    let host = far();
    for chain in [vec![], vec![country()], vec![policy("probe")]] {
        let chain = host.chain(&chain).await;
        assert_eq!(ending(&chain.clear(sms("hello")).await), "cleared");
    }
    assert_eq!(host.ledger.asked(), Vec::<&str>::new());
}

#[tokio::test]
async fn what_was_foretold_and_is_not_asked_for_is_given_back() {
    let host = far();
    let chain = host.chain(&[dedup(), throttle(1)]).await;
    let foretold = async |candidate: &Candidate| {
        let foreseen: Vec<Foreseen> = chain.foresee(candidate).await;
        let id = candidate.message.id.clone();
        host.ledger.foretell(foreseen, &id, candidate.now).await.unwrap()
    };

    // The request ends before.
    let told = foretold(&sms("hello")).await;
    assert_eq!(told.len(), 2);
    drop(chain.foresight(told));
    assert_eq!(host.ledger.settled(), [(2, Settlement::GiveBack)]);

    // The policies ask otherwise.
    let told = foretold(&sms("hello")).await;
    let other = chain.clear_foreseen(sms("other"), chain.foresight(told)).await.unwrap();
    let held: Vec<_> = other.holds().iter().map(|hold| hold.owner.clone()).collect();
    assert_eq!(held, ["dedup", "throttle"], "the charge is the same, the reservation is not");
    assert_eq!(host.ledger.settled()[1..], [(1, Settlement::GiveBack)]);
    other.settle(Settlement::GiveBack).await.unwrap();

    // One that will be refused takes nothing behind the refusal.
    let held = chain.clear(sms("hello")).await.unwrap();
    let told = foretold(&sms("hello")).await;
    assert!(matches!(told[0].answer, StateAnswer::Reserved(Some(_))), "{told:?}");
    assert_eq!(told.len(), 1);
    drop(held);
}

#[tokio::test]
async fn where_the_trip_fails_the_policies_ask_for_themselves() {
    let host = far();
    host.ledger.foretells_nothing();
    let chain = host.chain(&[dedup(), throttle(1)]).await;
    assert_eq!(ending(&chain.clear(sms("hello")).await), "cleared");
    assert_eq!(host.ledger.asked(), ["foretell", "reserve", "take"]);
}
