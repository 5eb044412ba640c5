//! Limits over the ends of processes, beside a ledger that never ends.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::fixtures::{NOW, folder, in_file, new};
use crate::{Change, Settle, Store};

const QUOTA: u32 = 5;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// A request is charged, and then accepted, refused, or lost with the process that was at it.
    Charge {
        cost: u32,
        then: Then,
    },
    /// One that was accepted ends; the ledger and the store are told in either order.
    Settle {
        which: usize,
        settlement: Settlement,
        ledger_first: bool,
    },
    Wait(u64),
    Restart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Accepted,
    Refused,
    Lost,
}

/// A charge of which both ledgers hold a part.
#[derive(Clone, Debug)]
struct Open {
    message: MessageId,
    nth: usize,
    kept: Vec<Hold>,
    modelled: Vec<Hold>,
}

/// A store that is opened again and again, beside a ledger that never ends.
struct Pair {
    folder: TempDir,
    store: Option<Store>,
    model: MemoryLedger,
    now: Timestamp,
    accepted: Vec<Open>,
    lost: Vec<Open>,
    /// When and how much, of all that was served; nothing for what was given back or lost.
    served: Vec<(u64, u32)>,
}

impl Pair {
    fn new() -> Self {
        let folder = folder();
        let store = Some(Store::open(in_file(&folder), NOW).unwrap());
        let (accepted, lost, served) = (Vec::new(), Vec::new(), Vec::new());
        let model = MemoryLedger::default();
        Self { folder, store, model, now: NOW, accepted, lost, served }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// What both ledgers say to a charge, without their tokens.
    fn answers(taken: &Taken) -> (Vec<Standing>, Vec<LimitRefusal>) {
        match taken {
            Taken::Ok { standings, .. } => (standings.clone(), vec![]),
            Taken::Refused(refusals) => (vec![], refusals.clone()),
        }
    }

    /// Does one step, and tells the answers of both where something was asked.
    async fn step(&mut self, step: &Step, kind: &LimitKind) -> Option<(Taken, Taken)> {
        match step {
            Step::Wait(ms) => self.now = Timestamp(self.now.0 + ms),
            Step::Restart => self.restart().await,
            Step::Settle { which, settlement, ledger_first } if !self.accepted.is_empty() => {
                let open = self.accepted.swap_remove(which % self.accepted.len());
                self.settle(open, *settlement, *ledger_first).await;
            }
            Step::Settle { .. } => {}
            Step::Charge { cost, then } => return Some(self.charge(kind, *cost, *then).await),
        }
        None
    }

    async fn charge(&mut self, kind: &LimitKind, cost: u32, then: Then) -> (Taken, Taken) {
        let charges = [charge("l", "k", kind.clone(), cost)];
        let kept = self.store().ledger().take("p", &charges, self.now).await.unwrap();
        let modelled = got(self.model.take("p", &charges, self.now)).unwrap();
        let both = (kept.clone(), modelled.clone());
        let holds = |taken| match taken {
            Taken::Ok { holds, .. } => Some(holds),
            Taken::Refused(_) => None,
        };
        let (kept, modelled) = (holds(kept), holds(modelled));
        let Some(kept) = kept else {
            got(self.model.settle(modelled.unwrap_or_default(), Settlement::GiveBack)).unwrap();
            return both;
        };
        let nth = self.served.len();
        let message = id(&format!("m{nth}"));
        let modelled = modelled.unwrap_or_default();
        let open = Open { message: message.clone(), nth, kept: kept.clone(), modelled };
        self.served.push((self.now.0, cost));
        match then {
            Then::Accepted => {
                let mut new = new(&message.0);
                (new.record.created, new.holds) = (self.now, kept);
                self.store().accept(vec![new], None).await.unwrap();
                self.accepted.push(open);
            }
            Then::Refused => {
                self.store().ledger().settle(kept, Settlement::GiveBack).await.unwrap();
                self.end(open, Settlement::GiveBack);
            }
            Then::Lost => self.lost.push(open),
        }
        both
    }

    async fn settle(&mut self, open: Open, settlement: Settlement, ledger_first: bool) {
        let ledger = self.store().ledger();
        let status = match settlement {
            Settlement::Keep => crate::Status::Submitted,
            Settlement::GiveBack => crate::Status::Failed,
        };
        let settle = Settle::As(settlement);
        let change = Change { settle, ..Change::to(status, self.now) };
        if ledger_first {
            ledger.settle(open.kept.clone(), settlement).await.unwrap();
        }
        self.store().change(&open.message, change).await.unwrap();
        if !ledger_first {
            ledger.settle(open.kept.clone(), settlement).await.unwrap();
        }
        self.end(open, settlement);
    }

    /// Settles in the model.
    fn end(&mut self, open: Open, settlement: Settlement) {
        if settlement == Settlement::GiveBack {
            self.served[open.nth].1 = 0;
        }
        got(self.model.settle(open.modelled, settlement)).unwrap();
    }

    /// The process ends, with all that was not accepted, and another takes up what it left.
    async fn restart(&mut self) {
        self.store = None;
        let store = Store::open(in_file(&self.folder), self.now).unwrap();
        for open in std::mem::take(&mut self.lost) {
            self.end(open, Settlement::GiveBack);
        }
        let unfinished = store.unfinished().await.unwrap();
        let found: Vec<_> =
            unfinished.into_iter().map(|each| (each.record.id, each.holds)).collect();
        self.accepted.sort_by_key(|open| open.nth);
        let expected: Vec<_> =
            self.accepted.iter().map(|open| (open.message.clone(), open.kept.clone())).collect();
        assert_eq!(found, expected);
        self.store = Some(store);
    }

    /// The most cost in any second.
    fn densest(&self) -> u32 {
        let inside = |from: u64| {
            let cost =
                |(at, cost): &(u64, u32)| if (from..from + 1_000).contains(at) { *cost } else { 0 };
            self.served.iter().map(cost).sum()
        };
        self.served.iter().map(|(at, _)| inside(*at)).max().unwrap_or(0)
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn steps(
    then: impl Strategy<Value = Then> + 'static,
    settlements: bool,
) -> impl Strategy<Value = Vec<Step>> {
    let settlement = if settlements {
        prop_oneof![Just(Settlement::Keep), Just(Settlement::GiveBack)].boxed()
    } else {
        Just(Settlement::Keep).boxed()
    };
    let charge = (1_u32..3, then).prop_map(|(cost, then)| Step::Charge { cost, then });
    let settle = (any::<usize>(), settlement, any::<bool>()).prop_map(
        |(which, settlement, ledger_first)| Step::Settle { which, settlement, ledger_first },
    );
    let wait = prop_oneof![0_u64..400, 0_u64..400, Just(43_200_000)].prop_map(Step::Wait);
    prop::collection::vec(
        prop_oneof![6 => charge, 3 => settle, 3 => wait, 1 => Just(Step::Restart)],
        1..60,
    )
}

fn any_end() -> impl Strategy<Value = Then> {
    prop_oneof![4 => Just(Then::Accepted), 1 => Just(Then::Refused), 1 => Just(Then::Lost)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn windows_and_calendars_count_over_restarts_as_if_there_were_none(
        steps in steps(any_end(), true),
        kind in prop_oneof![Just(window(QUOTA, 1.0)), Just(calendar(QUOTA, Period::Day, "America/New_York"))],
    ) {
        let mut pair = Pair::new();
        for step in &steps {
            if let Some((kept, modelled)) = run(pair.step(step, &kind)) {
                prop_assert_eq!(Pair::answers(&kept), Pair::answers(&modelled), "at {:?} of {:?}", step, pair.now);
            }
        }
        prop_assert!(pair.densest() <= QUOTA, "{:?}", pair.served);
    }

    #[test]
    fn a_pace_goes_on_over_restarts_as_if_there_were_none(
        steps in steps(Just(Then::Accepted), false),
        burst in 2_u32..6,
    ) {
        let mut pair = Pair::new();
        for step in &steps {
            if let Some((kept, modelled)) = run(pair.step(step, &gcra(QUOTA, 1.0, burst))) {
                prop_assert_eq!(Pair::answers(&kept), Pair::answers(&modelled), "at {:?} of {:?}", step, pair.now);
            }
        }
    }

    /// What is given back or lost may cost a pace a little of what it could have served, and never adds to it.
    #[test]
    fn a_pace_never_serves_more_than_its_quota_and_burst_whatever_is_given_back_or_lost(
        steps in steps(any_end(), true),
        burst in 2_u32..6,
    ) {
        let mut pair = Pair::new();
        for step in &steps {
            run(pair.step(step, &gcra(QUOTA, 1.0, burst)));
        }
        prop_assert!(pair.densest() < QUOTA + burst, "{:?}", pair.served);
    }
}
