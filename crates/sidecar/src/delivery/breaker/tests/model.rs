//! Anything that can happen to a breaker, in any order.

use std::time::Duration;

use proptest::prelude::*;

use super::super::{Admit, Heard, State};
use super::bench::{Bench, sender};

#[derive(Clone, Copy, Debug)]
enum Step {
    Admit(usize),
    Report { nth: usize, heard: Heard, random: f64 },
    Drop { nth: usize },
    Time { ms: u64 },
    Reset,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Heard::{Credentials, Failed, NoCredit, Paced, Served, Unreached, Untrusted};
    let heard = prop_oneof![
        8 => Just(Served),
        8 => Just(Failed),
        2 => Just(Unreached),
        1 => Just(Paced),
        1 => Just(NoCredit),
        1 => prop_oneof![Just(Credentials), Just(Untrusted)],
    ];
    let step = prop_oneof![
        8 => (0_usize..3).prop_map(Step::Admit),
        8 => (0_usize..64, heard, 0.0..1.0)
            .prop_map(|(nth, heard, random)| Step::Report { nth, heard, random }),
        1 => (0_usize..64).prop_map(|nth| Step::Drop { nth }),
        3 => (0_u64..20_000).prop_map(|ms| Step::Time { ms }),
        1 => Just(Step::Reset),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn it_never_admits_against_its_word_and_always_finds_back(steps in steps()) {
        let mut bench = Bench::new();
        let mut out = Vec::new();
        for step in steps {
            match step {
                Step::Admit(n) => {
                    let before = bench.breakers.standing();
                    let admit = bench.breakers.admit(&sender(n), bench.now);
                    let due = before.until.is_some_and(|until| until <= bench.now);
                    let fits = match (before.state, &admit) {
                        (State::Closed, _) | (State::Ramping, Admit::Go(_)) => true,
                        (State::Open, Admit::Probe(_)) => due,
                        (State::Open, Admit::Wait(wait)) => !due && wait.until == before.until,
                        (_, Admit::Wait(wait)) => Some(wait.reason) == before.reason,
                        _ => false,
                    };
                    prop_assert!(fits, "{before:?} gave {admit:?}");
                    if !matches!(admit, Admit::Wait(_)) {
                        out.push(admit);
                    }
                }
                Step::Report { nth, heard, random } if !out.is_empty() => {
                    match out.swap_remove(nth % out.len()) {
                        Admit::Go(pass) => pass.report(heard, bench.now, random),
                        Admit::Probe(probe) => probe.report(heard, bench.now, random),
                        Admit::Wait(_) => {}
                    }
                }
                Step::Drop { nth } if !out.is_empty() => {
                    out.swap_remove(nth % out.len());
                }
                Step::Time { ms } => bench.pass_time(Duration::from_millis(ms)),
                Step::Reset => bench.breakers.reset(),
                Step::Report { .. } | Step::Drop { .. } => {}
            }
            let standing = bench.breakers.standing();
            prop_assert_eq!(standing.state == State::Closed, standing.reason.is_none());
            prop_assert_eq!(standing.state == State::Open, standing.until.is_some());
        }
        out.clear();
        if bench.state() == State::Latched {
            bench.breakers.reset();
        }
        for n in 0..3 {
            for _ in 0..200 {
                match bench.breakers.admit(&sender(n), bench.now) {
                    Admit::Go(pass) => pass.report(Heard::Served, bench.now, 0.5),
                    Admit::Probe(probe) => probe.report(Heard::Served, bench.now, 0.5),
                    Admit::Wait(wait) => {
                        let until = wait.until;
                        prop_assert!(until.is_some(), "stuck: {wait:?}");
                        bench.now = until.unwrap_or(bench.now);
                    }
                }
            }
        }
        prop_assert_eq!(bench.state(), State::Closed);
        prop_assert!(bench.breakers.senders().is_empty(), "{:?}", bench.breakers.senders());
    }
}
