//! What becomes of holds.

use super::*;

fn settle(ledger: &MemoryLedger, holds: &[Hold], settlement: Settlement) {
    got(ledger.settle(holds.to_vec(), settlement)).unwrap();
}

/// A limit of two of each kind.
fn kinds() -> [LimitKind; 3] {
    [window(2, 60.0), gcra(2, 60.0, 2), calendar(2, Period::Day, "UTC")]
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    for kind in kinds() {
        let ledger = MemoryLedger::default();
        let one = [charge("l", "k", kind.clone(), 1)];
        let (_, first) = take(&ledger, &one, at(0.0));
        let (_, second) = take(&ledger, &one, at(0.0));
        refused(&ledger, &one, at(1.0));
        settle(&ledger, &first, Settlement::GiveBack);
        let (standings, _) = take(&ledger, &one, at(0.0));
        assert_eq!(standings[0].remaining, 0, "{kind:?}");
        settle(&ledger, &second, Settlement::Keep);
        refused(&ledger, &one, at(1.0));
    }
}

#[test]
fn a_hold_stays_as_first_settled() {
    for kind in kinds() {
        let ledger = MemoryLedger::default();
        let one = [charge("l", "k", kind.clone(), 1)];
        let (_, kept) = take(&ledger, &one, at(0.0));
        let (_, given_back) = take(&ledger, &one, at(0.0));
        settle(&ledger, &kept, Settlement::Keep);
        settle(&ledger, &kept, Settlement::GiveBack);
        for _ in 0..3 {
            settle(&ledger, &given_back, Settlement::GiveBack);
        }
        settle(&ledger, &given_back, Settlement::Keep);
        take(&ledger, &one, at(0.0));
        assert_eq!(
            refused(&ledger, &one, at(0.0)).len(),
            1,
            "{kind:?}: one was kept, one taken since"
        );
    }
}

#[test]
fn a_kept_reservation_is_held_to_its_end_and_one_given_back_is_free() {
    let ledger = MemoryLedger::default();
    let Reserved::Yes(kept) = reserve(&ledger, "kept", "m1", at(0.0)) else { panic!("free") };
    let Reserved::Yes(back) = reserve(&ledger, "back", "m1", at(0.0)) else { panic!("free") };
    settle(&ledger, std::slice::from_ref(&kept), Settlement::Keep);
    settle(&ledger, &[kept, back.clone()], Settlement::GiveBack);
    assert!(matches!(reserve(&ledger, "kept", "m2", at(5.0)), Reserved::Held(_)));
    assert!(matches!(reserve(&ledger, "back", "m2", at(5.0)), Reserved::Yes(_)));
    settle(&ledger, &[back], Settlement::GiveBack);
    assert!(
        matches!(reserve(&ledger, "back", "m3", at(6.0)), Reserved::Held(_)),
        "m2's is not m1's to give back"
    );
}

#[test]
fn a_reservation_that_ended_is_not_its_first_holders_to_give_back() {
    let ledger = MemoryLedger::default();
    let Reserved::Yes(first) = reserve(&ledger, "k", "m1", at(0.0)) else { panic!("free") };
    assert!(matches!(reserve(&ledger, "k", "m2", at(30.0)), Reserved::Yes(_)));
    settle(&ledger, &[first], Settlement::GiveBack);
    assert_eq!(got(ledger.holder("dedup", "k", at(31.0))).unwrap().unwrap().by, id("m2"));
}

#[test]
fn charges_of_a_past_period_are_not_given_back_to_the_next() {
    let ledger = MemoryLedger::default();
    let day = [charge("day", "k", calendar(1, Period::Day, "UTC"), 1)];
    let (_, yesterday) = take(&ledger, &day, at(0.0));
    take(&ledger, &day, at(86_400.0));
    settle(&ledger, &yesterday, Settlement::GiveBack);
    refused(&ledger, &day, at(86_401.0));
}

#[test]
fn giving_back_what_the_clock_has_made_up_for_frees_nothing() {
    let ledger = MemoryLedger::default();
    let one = [charge("l", "k", gcra(1, 10.0, 1), 1)];
    let (_, early) = take(&ledger, &one, at(0.0));
    take(&ledger, &one, at(10.0));
    settle(&ledger, &early, Settlement::GiveBack);
    assert_eq!(refused(&ledger, &one, at(10.0)), [refusal("l", 10.0)]);

    let ledger = MemoryLedger::default();
    let two = [charge("two", "k", gcra(2, 20.0, 2), 1)];
    let (_, first) = take(&ledger, &two, at(0.0));
    let (_, second) = take(&ledger, &two, at(5.0));
    take(&ledger, &two, at(12.0));
    settle(&ledger, &first, Settlement::GiveBack);
    settle(&ledger, &second, Settlement::GiveBack);
    // Only eight seconds of the two charges were still ahead of the clock when the third came.
    take(&ledger, &two, at(12.0));
    assert_eq!(
        refused(&ledger, &two, at(12.0)).len(),
        1,
        "the third and the fourth fill the burst"
    );
}

#[test]
fn a_hold_of_another_owner_or_an_unknown_one_changes_nothing() {
    let ledger = MemoryLedger::default();
    let one = [charge("l", "k", window(1, 60.0), 1)];
    let (_, holds) = take(&ledger, &one, at(0.0));
    let foreign = Hold { owner: "other".into(), ..holds[0].clone() };
    let unknown = Hold { token: 999, ..holds[0].clone() };
    settle(&ledger, &[foreign, unknown], Settlement::GiveBack);
    refused(&ledger, &one, at(1.0));
}
