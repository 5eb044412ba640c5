//! Who is woken, and when.

use std::time::Duration;

use tokio::time::Instant;

use super::super::Heard;
use super::bench::Bench;

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_woken_when_the_time_has_come_or_something_changed() {
    let mut bench = Bench::open();
    let began = Instant::now();
    bench.wait().over().await;
    assert!(Instant::now() >= began + Duration::from_secs(14), "woken early");
    bench.pass_open_time();
    let probe = bench.probe();
    let waits = [bench.wait(), bench.wait()].map(|wait| tokio::spawn(wait.over()));
    probe.report(Heard::Served, bench.now, 0.0);
    for wait in waits {
        wait.await.unwrap();
    }
    let pass = bench.pass();
    let wait = bench.wait();
    drop(pass);
    wait.over().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_woken_by_what_lets_nobody_go() {
    let bench = Bench::probed();
    bench.call(Heard::Served);
    let mut passes = bench.admitted();
    let wait = bench.wait();
    passes.pop().unwrap().report(Heard::Served, bench.now, 0.0);
    let woken = wait.changed.has_changed().unwrap();
    assert!(!woken, "half of a round is no reason to ask again");
    passes.pop().unwrap().report(Heard::Served, bench.now, 0.0);
    wait.over().await;
}
