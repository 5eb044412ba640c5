//! Which apps can be called: one that is dead costs the others nothing.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// Most calls at once to one origin.
const AT_ONCE: usize = 4;
/// Failures in a row after which an origin is left alone.
const FAILURES: u32 = 3;
/// How long at first; doubled with each further failure.
const OPEN: Duration = Duration::from_secs(5);
/// How long at most.
const OPEN_MOST: Duration = Duration::from_secs(5 * 60);
/// The longest that an app's `Retry-After` holds back all its calls.
const ASKED_MOST: Duration = Duration::from_secs(60 * 60);
/// Most targets remembered as gone. Of more the oldest is called once more, and says so again.
const GONE: usize = 1_024;

/// The origins that are being called or that have failed. One worker has it, so there is no lock.
#[derive(Debug, Default)]
pub(super) struct Circuits {
    origins: HashMap<String, Circuit>,
    /// Targets that answered 410, the oldest first, and in which generation of the configuration that was.
    gone: VecDeque<(String, u64)>,
}

#[derive(Debug, Default)]
struct Circuit {
    calls: usize,
    failures: u32,
    closed_until: Option<Instant>,
}

/// Whether a call may be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admit {
    /// It may; [`Circuits::ended`] is to be told of its end.
    Go,
    /// As many as may be are being made.
    Busy,
    /// Not before.
    NotBefore(Instant),
}

/// What a call says of the app's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It answered, whatever it was.
    Served,
    /// It failed, did not answer, or asked for patience.
    Failed {
        /// Its own word on how long.
        retry_after: Option<Duration>,
    },
}

impl Circuits {
    /// Whether the origin may be called at `now`.
    pub(super) fn admit(&mut self, origin: &str, now: Instant) -> Admit {
        let circuit = self.origins.entry(origin.to_owned()).or_default();
        if let Some(until) = circuit.closed_until.filter(|until| *until > now) {
            return Admit::NotBefore(until);
        }
        // After failures one call finds out; the others wait for what it says.
        let most = if circuit.failures >= FAILURES { 1 } else { AT_ONCE };
        if circuit.calls >= most {
            return Admit::Busy;
        }
        circuit.calls += 1;
        Admit::Go
    }

    /// A call has ended. `random` is evenly spread over `0.0..1.0`, so that several sidecars do not call again as one.
    pub(super) fn ended(&mut self, origin: &str, heard: Heard, now: Instant, random: f64) {
        let Some(circuit) = self.origins.get_mut(origin) else { return };
        circuit.calls = circuit.calls.saturating_sub(1);
        match heard {
            Heard::Served => (circuit.failures, circuit.closed_until) = (0, None),
            Heard::Failed { retry_after } => {
                circuit.failures = circuit.failures.saturating_add(1);
                let doubled = circuit.failures.saturating_sub(FAILURES).min(16);
                let open = OPEN.saturating_mul(1 << doubled).min(OPEN_MOST);
                let open = open.mul_f64(1.0 - random.clamp(0.0, 1.0) / 4.0);
                let own = (circuit.failures >= FAILURES).then_some(open);
                let asked = retry_after.map(|asked| asked.min(ASKED_MOST));
                circuit.closed_until =
                    own.max(asked).map(|time| now + time).max(circuit.closed_until);
            }
        }
        if circuit.calls == 0 && circuit.failures == 0 {
            self.origins.remove(origin);
        }
    }

    /// The target wants no more calls until the configuration changes.
    pub(super) fn is_gone(&mut self, target: &str, generation: u64) {
        self.gone.retain(|(known, _)| known != target);
        if self.gone.len() == GONE {
            self.gone.pop_front();
        }
        self.gone.push_back((target.to_owned(), generation));
    }

    /// An operator wants all of them to be called again.
    pub(super) fn forgive(&mut self) {
        self.gone.clear();
    }

    /// Whether it said so under this configuration.
    pub(super) fn was_gone(&mut self, target: &str, generation: u64) -> bool {
        self.gone.retain(|(_, since)| *since == generation);
        self.gone.iter().any(|(known, _)| known == target)
    }

    /// Origins that are left alone now.
    pub(super) fn closed(&self, now: Instant) -> usize {
        self.origins.values().filter(|each| each.closed_until.is_some_and(|at| at > now)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "http://127.0.0.1:3000";
    const TWO: &str = "http://127.0.0.1:4000";
    const FAILED: Heard = Heard::Failed { retry_after: None };

    fn fail(circuits: &mut Circuits, times: u32, now: Instant) {
        for _ in 0..times {
            assert_eq!(circuits.admit(ONE, now), Admit::Go);
            circuits.ended(ONE, FAILED, now, 0.0);
        }
    }

    #[test]
    fn one_origin_takes_few_calls_at_once_and_leaves_the_others_alone() {
        let (mut circuits, now) = (Circuits::default(), Instant::now());
        for _ in 0..AT_ONCE {
            assert_eq!(circuits.admit(ONE, now), Admit::Go);
        }
        assert_eq!((circuits.admit(ONE, now), circuits.admit(TWO, now)), (Admit::Busy, Admit::Go));
        circuits.ended(ONE, Heard::Served, now, 0.0);
        assert_eq!(circuits.admit(ONE, now), Admit::Go);
    }

    #[test]
    fn after_failures_an_origin_is_left_alone_for_longer_each_time() {
        let (mut circuits, mut now) = (Circuits::default(), Instant::now());
        fail(&mut circuits, FAILURES, now);
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            let until = now + Duration::from_secs(seconds);
            assert_eq!(circuits.admit(ONE, now), Admit::NotBefore(until), "{seconds} s");
            assert_eq!((circuits.closed(now), circuits.closed(until)), (1, 0));
            assert_eq!(circuits.admit(ONE, until), Admit::Go);
            assert_eq!(circuits.admit(ONE, until), Admit::Busy, "one call finds out");
            circuits.ended(ONE, FAILED, until, 0.0);
            now = until;
        }
    }

    #[test]
    fn one_answer_makes_it_well_and_forgets_it() {
        let (mut circuits, now) = (Circuits::default(), Instant::now());
        fail(&mut circuits, FAILURES, now);
        let later = now + OPEN;
        assert_eq!(circuits.admit(ONE, later), Admit::Go);
        circuits.ended(ONE, Heard::Served, later, 0.0);
        assert!(circuits.origins.is_empty(), "{circuits:?}");
    }

    #[test]
    fn what_an_app_asks_for_holds_for_all_its_calls() {
        let (mut circuits, now) = (Circuits::default(), Instant::now());
        assert_eq!(circuits.admit(ONE, now), Admit::Go);
        let asked = Heard::Failed { retry_after: Some(Duration::from_secs(7)) };
        circuits.ended(ONE, asked, now, 1.0);
        let until = now + Duration::from_secs(7);
        assert_eq!(circuits.admit(ONE, now), Admit::NotBefore(until));
        assert_eq!(circuits.admit(ONE, until), Admit::Go);
    }

    #[test]
    fn a_target_that_is_gone_comes_back_with_a_new_configuration_or_an_operators_word() {
        let mut circuits = Circuits::default();
        circuits.is_gone("http://a.example/x", 3);
        assert!(circuits.was_gone("http://a.example/x", 3));
        assert!(!circuits.was_gone("http://a.example/y", 3));
        assert!(!circuits.was_gone("http://a.example/x", 4));
        assert!(circuits.gone.is_empty());
        circuits.is_gone("http://a.example/x", 4);
        circuits.forgive();
        assert!(!circuits.was_gone("http://a.example/x", 4));
    }

    #[test]
    fn of_too_many_targets_that_are_gone_the_oldest_is_forgotten() {
        let mut circuits = Circuits::default();
        let target = |nth: usize| format!("http://a.example/{nth}");
        for nth in 0..GONE {
            circuits.is_gone(&target(nth), 3);
        }
        // One that says so again is the newest, and takes no second place.
        circuits.is_gone(&target(0), 3);
        assert_eq!(circuits.gone.len(), GONE);
        assert!(circuits.was_gone(&target(1), 3));

        circuits.is_gone(&target(GONE), 3);
        assert_eq!(circuits.gone.len(), GONE);
        let gone = [0, 1, 2, GONE].map(|nth| circuits.was_gone(&target(nth), 3));
        assert_eq!(gone, [true, false, true, true]);
    }
}
