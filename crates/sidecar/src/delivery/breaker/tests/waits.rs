//! Who is woken, and when.

use super::super::Heard;
use super::bench::Bench;

#[test]
fn those_who_wait_are_told_of_whatever_may_let_them_go() {
    let mut bench = Bench::open();
    assert_eq!(bench.wait().until, bench.breakers.standing().until);
    let mut changes = bench.breakers.changes();
    let mut told = || {
        let has_changed = changes.has_changed().unwrap();
        changes.mark_unchanged();
        has_changed
    };
    bench.pass_open_time();
    let probe = bench.probe();
    assert_eq!(bench.wait().until, None, "that depends on the probe");
    drop(probe);
    assert!(told(), "the probe is another's now");
    bench.probe().report(Heard::Served, bench.now, 0.0);
    assert!(told(), "one may go");
    drop(bench.pass());
    assert!(told(), "another may in its place");
    bench.breakers.reset();
    assert!(told(), "all may");
}

#[test]
fn nobody_is_woken_by_what_lets_nobody_go() {
    let bench = Bench::probed();
    bench.call(Heard::Served);
    let mut passes = bench.admitted();
    let changes = bench.breakers.changes();
    passes.pop().unwrap().report(Heard::Served, bench.now, 0.0);
    assert!(!changes.has_changed().unwrap(), "half of a round is no reason to ask again");
    passes.pop().unwrap().report(Heard::Served, bench.now, 0.0);
    assert!(changes.has_changed().unwrap());
}
