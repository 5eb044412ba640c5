//! A breaker at hand, and time that passes when told so.

use std::time::Duration;

use tokio::time::Instant;

use super::super::{Admit, Breakers, Heard, Pass, Probe, Settings, State, Wait};
use message::Sender;

/// A breaker, and the clock beside it.
pub(super) struct Bench {
    pub(super) breakers: Breakers,
    pub(super) now: Instant,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { breakers: Breakers::new("default".into(), settings()), now: Instant::now() }
    }

    /// With the breaker just opened by failures in a row.
    pub(super) fn open() -> Self {
        let bench = Self::new();
        bench.calls(5, Heard::Failed);
        assert_eq!(bench.state(), State::Open);
        bench
    }

    /// With the probe just done.
    pub(super) fn probed() -> Self {
        let mut bench = Self::open();
        bench.pass_open_time();
        bench.probe().report(Heard::Served, bench.now, 0.0);
        bench
    }

    pub(super) fn state(&self) -> State {
        self.breakers.standing().state
    }

    pub(super) fn admit(&self) -> Admit {
        self.breakers.admit(&sender(0), self.now)
    }

    pub(super) fn pass(&self) -> Pass {
        pass(self.admit())
    }

    pub(super) fn probe(&self) -> Probe {
        probe(self.admit())
    }

    pub(super) fn wait(&self) -> Wait {
        match self.admit() {
            Admit::Wait(wait) => wait,
            other => panic!("not held back: {other:?}"),
        }
    }

    pub(super) fn call(&self, heard: Heard) {
        self.pass().report(heard, self.now, 0.0);
    }

    pub(super) fn calls(&self, count: usize, heard: Heard) {
        (0..count).for_each(|_| self.call(heard));
    }

    pub(super) fn pass_time(&mut self, time: Duration) {
        self.now += time;
    }

    pub(super) fn pass_open_time(&mut self) {
        self.now = self.breakers.standing().until.expect("it is open");
    }

    /// How long it opens for.
    pub(super) fn open_time(&self) -> Duration {
        self.breakers.standing().until.expect("it is open") - self.now
    }

    /// Admitted messages until none more is, none of which has ended.
    pub(super) fn admitted(&self) -> Vec<Pass> {
        let mut passes = Vec::new();
        while let Admit::Go(pass) = self.admit() {
            passes.push(pass);
            assert!(passes.len() < 1_000, "as many as ask");
        }
        passes
    }

    /// Of so many that ask at once, those that are admitted.
    pub(super) fn admitted_at_once(&self, count: usize) -> usize {
        let passes: Vec<Admit> = (0..count).map(|_| self.admit()).collect();
        passes.iter().filter(|admit| matches!(admit, Admit::Go(_))).count()
    }
}

pub(super) fn sender(n: usize) -> Sender {
    Sender::ShortCode(format!("{n:05}"))
}

pub(super) fn pass(admit: Admit) -> Pass {
    match admit {
        Admit::Go(pass) => pass,
        other => panic!("held back: {other:?}"),
    }
}

pub(super) fn probe(admit: Admit) -> Probe {
    match admit {
        Admit::Probe(probe) => probe,
        other => panic!("not told to probe: {other:?}"),
    }
}

/// messaging.md 3.5.
pub(in super::super::super) fn settings() -> Settings {
    Settings {
        failures: 5,
        window: Duration::from_secs(30),
        min_calls: 20,
        ratio_percent: 50,
        open: Duration::from_secs(15),
        open_max: Duration::from_secs(300),
    }
}
