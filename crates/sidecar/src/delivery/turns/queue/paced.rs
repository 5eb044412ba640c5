//! Messages that keep paces, through anything that can happen to them: whoever could go has gone.

use std::time::Duration;

use message::Gcra;
use proptest::prelude::*;

use super::tests::{from, line, now, ours, with_room};
use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Enter {
        app: u8,
        class: usize,
        recipient: u32,
        paces: u8,
        cost: u32,
        deadline: u64,
    },
    Withdraw {
        nth: usize,
    },
    /// A turn ends; nobody was called where it is unused.
    End {
        nth: usize,
        unused: bool,
    },
    Later(u64),
    Room(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let nth = 0_usize..64;
    let enter = (0_u8..3, 0_usize..3, 0_u32..4, 0_u8..4, 1_u32..5, 0_u64..4).prop_map(
        |(app, class, recipient, paces, cost, deadline)| Step::Enter {
            app,
            class,
            recipient,
            paces,
            cost,
            deadline,
        },
    );
    let step = prop_oneof![
        4 => enter,
        1 => nth.clone().prop_map(|nth| Step::Withdraw { nth }),
        3 => (nth, any::<bool>()).prop_map(|(nth, unused)| Step::End { nth, unused }),
        2 => (0_u64..2_000).prop_map(Step::Later),
        1 => (0_usize..4).prop_map(Step::Room),
    ];
    proptest::collection::vec(step, 0..120)
}

/// Those of the two paces whose bit is set.
fn paces(bits: u8, cost: u32) -> Vec<Pace> {
    let gcra = Gcra { quota: 4, per: Duration::from_secs(1), burst: 4 };
    let pace = |nth: u8| Pace {
        owner: "throttle".into(),
        limit: nth.to_string(),
        key: "key".into(),
        gcra,
        cost,
    };
    (0..2).filter(|nth| bits & (1 << nth) != 0).map(pace).collect()
}

proptest! {
    #[test]
    fn whoever_its_paces_let_go_has_gone_and_nobody_is_lost(steps in steps()) {
        let mut queue = with_room(2);
        let mut now = now();
        // Each with its deadline while it waits, and none once it has its turn.
        let mut known: Vec<(Spot, Option<Timestamp>)> = Vec::new();
        for step in steps {
            let granted = match step {
                Step::Enter { app, class, recipient, paces: bits, cost, deadline } => {
                    let line = line(&app.to_string(), Class::ALL[class], recipient);
                    let spot = queue.enter(line, &from(), &paces(bits, cost), now);
                    let granted = if queue.take(&spot, now).is_some() {
                        vec![spot.number]
                    } else {
                        queue.wait(&spot, Timestamp(deadline), spot.number, now)
                    };
                    known.push((spot, Some(Timestamp(deadline))));
                    granted
                }
                Step::Withdraw { nth } | Step::End { nth, .. } if !known.is_empty() => {
                    let nth = nth % known.len();
                    let mut granted = match (step, known[nth].1) {
                        (Step::Withdraw { .. }, Some(deadline)) => {
                            queue.withdraw(&known[nth].0, deadline, now)
                        }
                        (Step::End { unused, .. }, None) => {
                            queue.end(&ours(), unused.then_some(&known[nth].0.terms.tolls), now)
                        }
                        _ => continue,
                    };
                    let (spot, _) = known.remove(nth);
                    granted.extend(queue.leave(&spot, now));
                    granted
                }
                Step::Later(ms) => {
                    now += Duration::from_millis(ms);
                    queue.look_again(now)
                }
                Step::Room(room) => queue.set_room(&ours(), room, now),
                _ => continue,
            };
            for number in granted {
                let mut found = known.iter_mut().filter(|(spot, _)| spot.number == number);
                let (_, waits) = found.next().expect("a turn went to somebody who is not there");
                prop_assert!(waits.take().is_some(), "a second turn for {number}");
            }
            let late = queue.look_again(now);
            prop_assert!(late.is_empty(), "{late:?} could go before, after {step:?}");
            let waiting = known.iter().filter(|(_, waits)| waits.is_some()).count();
            prop_assert_eq!((queue.waiting(), queue.out(&ours())), (waiting, known.len() - waiting));
        }
    }
}
