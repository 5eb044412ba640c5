//! What policies remember, over the ends of processes.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::fixtures::{NOW, folder, in_file, killed, later, new, path};
use crate::{Change, Place, Settle, Store, StoreOptions};

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

fn reopened(folder: &TempDir, now: Timestamp) -> (TempDir, Store) {
    let left = killed(folder);
    let store = Store::open(in_file(&left), now).unwrap();
    (left, store)
}

#[tokio::test]
async fn reservations_are_held_over_a_restart_as_long_as_they_were() {
    let folder = folder();
    let store = Store::open(in_file(&folder), NOW).unwrap();
    for which in ["kept", "open", "given back"] {
        let by = id(which);
        let reserved = store.ledger().reserve("p", which, secs(30.0), &by, NOW).await.unwrap();
        let Reserved::Yes(hold) = reserved else { panic!("{which} is free") };
        let mut new = new(which);
        new.holds = vec![hold];
        store.accept(vec![new], None).await.unwrap();
    }
    let lost = id("lost");
    store.ledger().reserve("p", "lost", secs(30.0), &lost, NOW).await.unwrap();
    for (which, settlement) in [("kept", Settlement::Keep), ("given back", Settlement::GiveBack)] {
        let settle = Change { settle: Settle::As(settlement), ..Change::at(NOW) };
        store.change(&id(which), settle).await.unwrap();
    }
    let (_left, after) = reopened(&folder, later(20));
    let holder = async |key: &'static str, now| {
        let ledger = after.ledger();
        let holder = ledger.holder("p", key, now).await.unwrap();
        holder.map(|holder| (holder.by.to_string(), holder.until))
    };
    for which in ["kept", "open"] {
        assert_eq!(holder(which, later(29)).await, Some((which.to_owned(), later(30))));
    }
    assert_eq!(holder("given back", later(20)).await, None);
    assert_eq!(holder("lost", later(20)).await, None, "its message was never accepted");
    let open = after.unfinished_one(&id("open")).await.unwrap().unwrap();
    after.ledger().settle(open.holds, Settlement::GiveBack).await.unwrap();
    assert_eq!(holder("open", later(29)).await, None, "it could still be given back");
    assert_eq!(holder("kept", later(30)).await, None);
}

#[tokio::test]
async fn values_and_counters_are_there_after_a_restart_until_they_end() {
    let folder = folder();
    let store = Store::open(in_file(&folder), NOW).unwrap();
    let ledger = store.ledger();
    ledger.put("p", "short", b"s".to_vec(), secs(10.0), false, NOW).await.unwrap();
    for value in ["one", "two"] {
        ledger.put("p", "long", value.into(), secs(100.0), false, NOW).await.unwrap();
    }
    ledger.put("p", "long", b"three".to_vec(), secs(100.0), true, NOW).await.unwrap();
    for at in 0..5 {
        ledger.increment("p", "count", 2, secs(100.0), later(at)).await.unwrap();
    }
    store.sweep(NOW).await.unwrap();
    let (_left, after) = reopened(&folder, later(50));
    let ledger = after.ledger();
    let get = async |owner: &'static str, key: &'static str, now| {
        let value = ledger.get(owner, key, now).await.unwrap();
        value.map(|value| String::from_utf8(value).unwrap())
    };
    assert_eq!(get("p", "short", later(50)).await, None);
    assert_eq!(get("p", "long", later(99)).await.as_deref(), Some("two"));
    assert_eq!(get("other", "long", later(99)).await, None);
    assert_eq!(ledger.increment("p", "count", 1, secs(100.0), later(99)).await, Ok(11));
    assert_eq!(ledger.increment("p", "count", 1, secs(100.0), later(100)).await, Ok(1), "it ended");
}

/// A charge for a message that is accepted.
async fn spend(
    store: &Store,
    which: &str,
    kind: LimitKind,
    now: Timestamp,
) -> Result<Hold, Duration> {
    let charges = [charge("l", "k", kind, 1)];
    match store.ledger().take("p", &charges, now).await.unwrap() {
        Taken::Refused(refusals) => Err(refusals[0].wait),
        Taken::Ok { holds, .. } => {
            let mut new = new(which);
            (new.record.created, new.holds) = (now, holds.clone());
            store.accept(vec![new], None).await.unwrap();
            Ok(holds[0].clone())
        }
    }
}

#[tokio::test]
async fn a_clock_set_back_over_a_restart_neither_frees_nor_blocks_for_the_step() {
    for kind in [window(2, 60.0), gcra(2, 60.0, 2)] {
        let folder = folder();
        let store = Store::open(in_file(&folder), later(7_200)).unwrap();
        for which in ["m1", "m2"] {
            spend(&store, which, kind.clone(), later(7_200)).await.unwrap();
        }
        let (_left, after) = reopened(&folder, NOW);
        let wait = spend(&after, "m3", kind.clone(), NOW).await.unwrap_err();
        assert!(wait <= secs(60.0), "{kind:?}: {wait:?}");
        spend(&after, "m3", kind, NOW.after(wait)).await.unwrap();
    }
}

#[tokio::test]
async fn usage_of_a_limit_that_became_another_is_taken_up_as_it_is_now() {
    let day = |zone| calendar(2, Period::Day, zone);
    let kinds = [window(2, 60.0), day("UTC"), day("Asia/Tokyo"), gcra(2, 3_600.0, 2)];
    for before in &kinds {
        for after in kinds.iter().filter(|after| *after != before) {
            let folder = folder();
            let store = Store::open(in_file(&folder), NOW).unwrap();
            spend(&store, "m1", before.clone(), NOW).await.unwrap();
            for which in ["m2", "m3"] {
                spend(&store, which, after.clone(), NOW).await.unwrap();
            }
            let (_left, store) = reopened(&folder, NOW);
            let full = spend(&store, "m4", after.clone(), NOW).await;
            assert!(full.is_err(), "{before:?}, then {after:?}");
        }
    }
}

#[tokio::test]
async fn tokens_never_repeat_over_restarts() {
    let folder = folder();
    let mut tokens = Vec::new();
    for n in 0..5 {
        // By then what was held before has ended, and its rows are still there.
        let now = later(n * 3_600);
        let store = Store::open(in_file(&folder), now).unwrap();
        let hold = spend(&store, &format!("m{n}"), window(2, 60.0), now).await.unwrap();
        tokens.push(hold.token);
    }
    assert!(tokens.is_sorted_by(|one, next| one < next), "{tokens:?}");
}

#[tokio::test]
async fn what_a_power_loss_or_a_kill_leaves_is_the_same_to_a_ledger() {
    let folder = folder();
    let durability = crate::Durability::Power;
    let options =
        StoreOptions { durability, place: Place::File(path(&folder)), ..in_file(&folder) };
    let store = Store::open(options, NOW).unwrap();
    for which in ["m1", "m2"] {
        spend(&store, which, window(2, 60.0), NOW).await.unwrap();
    }
    let (_left, after) = reopened(&folder, later(1));
    assert_eq!(spend(&after, "m3", window(2, 60.0), later(1)).await, Err(secs(59.0)));
}
