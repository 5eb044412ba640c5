//! Several questions in one trip are those questions one by one, up to the first that is not answered as hoped.

use std::cell::RefCell;

use message::{StateAnswer, StateQuestion};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;

use super::behaviour::{Ask, answer, ask, charges, pause};
use super::*;

/// As a question, where policies ask such.
fn question(ask: &Ask) -> Option<StateQuestion> {
    let ms = Duration::from_millis;
    Some(match ask {
        Ask::Take { which, peek: false } => StateQuestion::Take { charges: charges(which) },
        Ask::Reserve { key, ttl_ms, .. } => {
            StateQuestion::Reserve { key: key.to_string(), ttl: ms(*ttl_ms) }
        }
        Ask::Put { key, value, ttl_ms, if_absent } => StateQuestion::Put {
            key: key.to_string(),
            value: value.to_string().into(),
            ttl: ms(*ttl_ms),
            if_absent: *if_absent,
        },
        Ask::Increment { key, delta, ttl_ms } => {
            StateQuestion::Increment { key: key.to_string(), delta: *delta, ttl: ms(*ttl_ms) }
        }
        Ask::Get { key } => StateQuestion::Get { key: key.to_string() },
        Ask::Take { peek: true, .. } | Ask::Settle { .. } | Ask::Holder { .. } => return None,
    })
}

/// Asked by itself; none where there is no answer.
async fn by_itself(
    ledger: &dyn Ledger,
    asked: &StateQuestion,
    now: Timestamp,
) -> Option<(StateAnswer, Vec<Hold>)> {
    let (by, none) = (id("0"), Vec::new());
    Some(match asked.clone() {
        StateQuestion::Get { key } => {
            (StateAnswer::Value(ledger.get("p", &key, now).await.ok()?), none)
        }
        StateQuestion::Put { key, value, ttl, if_absent } => {
            let put = ledger.put("p", &key, value, ttl, if_absent, now).await;
            (StateAnswer::Put(put.ok()?), none)
        }
        StateQuestion::Increment { key, delta, ttl } => {
            (StateAnswer::Sum(ledger.increment("p", &key, delta, ttl, now).await.ok()?), none)
        }
        StateQuestion::Reserve { key, ttl } => {
            match ledger.reserve("p", &key, ttl, &by, now).await.ok()? {
                Reserved::Yes(hold) => (StateAnswer::Reserved(None), vec![hold]),
                Reserved::Held(holder) => (StateAnswer::Reserved(Some(holder)), none),
            }
        }
        StateQuestion::Take { charges } => match ledger.take("p", &charges, now).await.ok()? {
            Taken::Ok { standings, holds } => (StateAnswer::Taken(standings), holds),
            Taken::Refused(refusals) => (StateAnswer::Refused(refusals), none),
        },
    })
}

async fn one_by_one(
    ledger: &dyn Ledger,
    all: &[Foreseen],
    now: Timestamp,
) -> Vec<(StateAnswer, Vec<Hold>)> {
    let mut answers = Vec::new();
    let can_be_given_back = |each: &&Foreseen| {
        !matches!(each.asked, StateQuestion::Put { .. } | StateQuestion::Increment { .. })
    };
    for Foreseen { asked, .. } in all.iter().take_while(can_be_given_back) {
        let Some((answer, holds)) = by_itself(ledger, asked, now).await else { break };
        let goes_on = asked.is_hoped(&answer);
        answers.push((answer, holds));
        if !goes_on {
            break;
        }
    }
    answers
}

#[test]
fn whatever_is_asked_ahead_is_answered_and_done_as_if_it_were_asked_one_by_one() {
    let (runtime, bench) = (Runtime::new().unwrap(), RefCell::new(Bench::new()));
    let ahead = prop::collection::vec(ask(), 0..8);
    let step = (pause(), ahead, prop::collection::vec(ask(), 0..4));
    let same = |steps: Vec<(u64, Vec<Ask>, Vec<Ask>)>| {
        let [memory, server] = runtime.block_on(bench.borrow_mut().both());
        let (mut now, mut held) = (at(0.0).0, (Vec::new(), Vec::new()));
        for (pause, ahead, afterwards) in &steps {
            now += pause;
            let foreseen = |asked| Foreseen { owner: "p".into(), asked };
            let all: Vec<Foreseen> = ahead.iter().filter_map(question).map(foreseen).collect();
            let expected = runtime.block_on(one_by_one(&*memory, &all, Timestamp(now)));
            let by = id("0");
            let found = runtime.block_on(server.foretell(all, &by, Timestamp(now))).unwrap();
            let counted = |(answer, holds): (StateAnswer, Vec<Hold>), held: &mut Vec<_>| {
                let count = holds.len();
                if count > 0 {
                    held.push(holds);
                }
                (answer, count)
            };
            let expected: Vec<_> =
                expected.into_iter().map(|each| counted(each, &mut held.0)).collect();
            let found: Vec<_> = found
                .into_iter()
                .map(|each| counted((each.answer, each.holds), &mut held.1))
                .collect();
            prop_assert_eq!(expected, found, "to {:?} at {}", ahead, now);
            for ask in afterwards {
                let expected = runtime.block_on(answer(&memory, ask, &mut held.0, Timestamp(now)));
                let found = runtime.block_on(answer(&server, ask, &mut held.1, Timestamp(now)));
                prop_assert_eq!(expected, found, "afterwards to {:?} at {}", ask, now);
            }
        }
        Ok(())
    };
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) };
    TestRunner::new(config).run(&prop::collection::vec(step, 1..12), same).unwrap();
}

fn asks(owner: &str, asked: StateQuestion) -> Foreseen {
    Foreseen { owner: owner.into(), asked }
}

fn reserve(key: &str) -> Foreseen {
    asks("dedup", StateQuestion::Reserve { key: key.into(), ttl: secs(3_600.0) })
}

fn take(quota: u32) -> Foreseen {
    let charges = vec![charge("l", "k", window(quota, 3_600.0), 1)];
    asks("throttle", StateQuestion::Take { charges })
}

#[tokio::test]
async fn asked_ahead_is_one_round_trip_of_one_command() {
    let server = Server::start();
    let ledger = RedisLedger::new(server.connection().await);
    ledger.foretell(vec![take(9)], &id("m0"), at(0.0)).await.unwrap();
    let () = server.ask(&["CONFIG", "RESETSTAT"]).await;

    let all = vec![reserve("text"), take(9), take(9)];
    let told = ledger.foretell(all, &id("m1"), at(0.0)).await.unwrap();

    assert_eq!(told.len(), 3, "{told:?}");
    let stats: String = server.ask(&["INFO", "commandstats"]).await;
    let evalsha = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:"));
    assert!(evalsha.is_some_and(|line| line.contains("calls=1,")), "{stats}");
    assert!(!stats.contains("cmdstat_script"), "{stats}");
}

#[tokio::test]
async fn nothing_is_asked_behind_a_question_out_of_bounds() {
    let server = Server::start();
    let ledger = RedisLedger::new(server.connection().await);
    let long = reserve(&"k".repeat(257));

    let all = vec![reserve("text"), long, take(9)];
    let told = ledger.foretell(all, &id("m1"), at(0.0)).await.unwrap();

    assert_eq!(told.len(), 1, "{told:?}");
    let charges = [charge("l", "k", window(9, 3_600.0), 0)];
    let left = ledger.peek("throttle", &charges, at(0.0)).await.unwrap();
    assert!(
        matches!(&left, Taken::Ok { standings, .. } if standings[0].remaining == 9),
        "{left:?}"
    );
}

#[tokio::test]
async fn what_was_asked_ahead_and_not_heard_is_given_back_before_it_is_asked_again() {
    let server = Server::start();
    let ledger = RedisLedger::new(server.connection().await);
    let charges = [charge("l", "k", window(2, 3_600.0), 1)];
    // So that the scripts are known there, and all is done in the order it was asked.
    let first = ledger.foretell(vec![reserve("other"), take(2)], &id("m0"), at(0.0)).await.unwrap();
    ledger.settle(first[0].holds.clone(), Settlement::Keep).await.unwrap();
    ledger.peek("throttle", &charges, at(0.0)).await.unwrap();
    let () = server.ask(&["CLIENT", "PAUSE", "60000", "WRITE"]).await;

    let asked = (vec![reserve("text"), take(2)], id("m1"));
    let told = ledger.foretell(asked.0, &asked.1, at(0.0));
    let told = tokio::time::timeout(secs(0.1), told).await;
    assert!(told.is_err(), "{told:?}");
    let again = async {
        let again = ledger.take("throttle", &charges, at(0.0));
        let opened = async { server.ask::<()>(&["CLIENT", "UNPAUSE"]).await };
        tokio::join!(again, opened).0
    };

    // One was charged at first, and its own earlier charge does not stand against it.
    let again = again.await.unwrap();
    assert!(matches!(&again, Taken::Ok { .. }), "{again:?}");
    assert_eq!(ledger.holder("dedup", "text", at(0.0)).await.unwrap(), None);
}
