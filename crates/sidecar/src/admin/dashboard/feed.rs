//! The latest decisions, in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use message::{E164, LimitKind, MessageId, Timestamp};
use policy_host::{Cleared, Decision, LimitReport, Mode, NotCleared, NotClearedKind, PolicyName};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::shown::instant;

/// Most messages that are remembered: some 600 kB.
const SEEN: usize = 512;
/// Most codes of one verdict.
const CODES: usize = 4;

/// The latest decisions. One ring for all who watch, so that a watcher that does not read costs nothing: what it has
/// missed it is told as a number.
#[derive(Debug)]
pub(crate) struct Feed {
    ring: Mutex<Ring>,
    /// What tells its numbers from those of another process.
    process: Box<str>,
}

#[derive(Debug, Default)]
struct Ring {
    seen: VecDeque<Arc<Seen>>,
    /// Messages since the start; the number of the latest.
    total: u64,
    /// Of them, those that did not pass.
    stopped: u64,
}

/// What policies said of one message. No text, and of the number its ends.
#[derive(Debug)]
pub(super) struct Seen {
    /// From one, without gaps.
    pub(super) number: u64,
    pub(super) at: Timestamp,
    message: MessageId,
    pub(super) app: Box<str>,
    door: &'static str,
    kind: &'static str,
    to: String,
    generation: u64,
    /// The policy that ended its way, and its code; and whether it only could not decide.
    stop: Option<(PolicyName, String, bool)>,
    pub(super) verdicts: Vec<Said>,
    pub(super) limits: Vec<Charged>,
}

#[derive(Debug)]
pub(super) struct Said {
    pub(super) policy: PolicyName,
    pub(super) mode: Mode,
    pub(super) verdict: &'static str,
    codes: Vec<String>,
    pub(super) us: u64,
}

/// A limit that was charged, or that refused.
#[derive(Debug)]
pub(super) struct Charged {
    pub(super) policy: PolicyName,
    pub(super) limit: String,
    pub(super) key: String,
    pub(super) kind: LimitKind,
    pub(super) remaining: u32,
}

/// What a watcher has not had yet.
#[derive(Debug)]
pub(super) struct News {
    pub(super) seen: Vec<Arc<Seen>>,
    /// Gone before it came to read, or more than it may have at once.
    pub(super) dropped: u64,
}

impl Default for Feed {
    fn default() -> Self {
        let process = Uuid::new_v4().simple().to_string();
        Self { ring: Mutex::default(), process: process.into() }
    }
}

impl Feed {
    /// Remembers what policies said of a message.
    pub(crate) fn saw(
        &self,
        app: &str,
        door: &'static str,
        ended: &Result<Cleared, Box<NotCleared>>,
    ) {
        let (message, decisions, standings, generation, stop) = match ended {
            Ok(cleared) => {
                let generation = cleared.generation();
                (cleared.message(), cleared.decisions(), cleared.standings(), generation, None)
            }
            Err(not) => {
                let (code, failed) = match &not.kind {
                    NotClearedKind::Rejected(rejection) => (rejection.code.clone(), false),
                    NotClearedKind::Failed(failure) => (failure.as_str().to_owned(), true),
                };
                let (trail, stop) = (&not.trail, (not.policy.clone(), code, failed));
                (
                    &not.message,
                    trail.decisions.as_slice(),
                    trail.standings.as_slice(),
                    trail.generation,
                    Some(stop),
                )
            }
        };
        self.push(Seen {
            number: 0,
            at: SystemTime::now().into(),
            message: message.id.clone(),
            app: app.into(),
            door,
            kind: message.kind().as_str(),
            to: E164::masked(&message.to),
            generation: generation.0,
            stop,
            verdicts: decisions.iter().map(Said::of).collect(),
            limits: standings.iter().map(Charged::of).collect(),
        });
    }

    fn push(&self, seen: Seen) {
        let mut ring = self.ring();
        ring.total += 1;
        ring.stopped += u64::from(seen.stop.is_some());
        let seen = Arc::new(Seen { number: ring.total, ..seen });
        // Freed after the lock is.
        let oldest = (ring.seen.len() == SEEN).then(|| ring.seen.pop_front());
        ring.seen.push_back(seen);
        drop(ring);
        drop(oldest);
    }

    /// What came after the message with this number, the oldest first: of more than `most` the latest.
    pub(super) fn after(&self, number: u64, most: usize) -> News {
        let ring = self.ring();
        let fresh = ring.seen.iter().rev().take(most).take_while(|seen| seen.number > number);
        let mut seen: Vec<_> = fresh.cloned().collect();
        seen.reverse();
        let missed = ring.total.saturating_sub(number);
        News { dropped: missed - seen.len() as u64, seen }
    }

    /// What tells its numbers from those of another process.
    pub(super) fn process(&self) -> &str {
        &self.process
    }

    /// The number of the latest.
    pub(super) fn latest(&self) -> u64 {
        self.ring().total
    }

    /// All that is remembered, the oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Seen>> {
        self.ring().seen.iter().cloned().collect()
    }

    /// Messages since the start, and of them those that did not pass.
    pub(super) fn counts(&self) -> (u64, u64) {
        let ring = self.ring();
        (ring.total, ring.stopped)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing under this lock can panic half way.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Whether a policy ended its way.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_some()
    }

    pub(super) fn shown(&self) -> Value {
        let (end, policy, code) = match &self.stop {
            None => ("cleared", None, None),
            Some((policy, code, false)) => ("refused", Some(policy), Some(code)),
            Some((policy, code, true)) => ("failed", Some(policy), Some(code)),
        };
        json!({
            "number": self.number,
            "at": instant(self.at),
            "id": self.message.0,
            "app": self.app,
            "door": self.door,
            "type": self.kind,
            "to": self.to,
            "generation": self.generation,
            "end": end,
            "policy": policy.map(PolicyName::as_str),
            "code": code,
            "policies": self.verdicts.iter().map(Said::shown).collect::<Vec<_>>(),
        })
    }
}

impl Said {
    fn of(decision: &Decision) -> Self {
        let mut codes = decision.verdict.codes();
        codes.truncate(CODES);
        Self {
            policy: decision.policy.clone(),
            mode: decision.mode,
            verdict: decision.verdict.as_str(),
            codes,
            us: u64::try_from(decision.elapsed.as_micros()).unwrap_or(u64::MAX),
        }
    }

    fn shown(&self) -> Value {
        json!({
            "policy": self.policy.as_str(),
            "mode": self.mode.as_str(),
            "verdict": self.verdict,
            "codes": self.codes,
            "us": self.us,
        })
    }
}

impl Charged {
    fn of(report: &LimitReport) -> Self {
        Self {
            policy: report.policy.clone(),
            limit: report.limit.clone(),
            key: report.key.clone(),
            kind: report.kind.clone(),
            remaining: report.remaining.unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(count: u64) -> Feed {
        let feed = Feed::default();
        for _ in 0..count {
            feed.push(Seen {
                number: 0,
                at: Timestamp(1),
                message: MessageId("m".into()),
                app: "demo".into(),
                door: "messages",
                kind: "sms",
                to: String::new(),
                generation: 1,
                stop: None,
                verdicts: Vec::new(),
                limits: Vec::new(),
            });
        }
        feed
    }

    fn after(feed: &Feed, number: u64, most: usize) -> (Vec<u64>, u64) {
        let News { seen, dropped } = feed.after(number, most);
        (seen.iter().map(|seen| seen.number).collect(), dropped)
    }

    #[test]
    fn a_watcher_gets_each_decision_once_in_order() {
        let feed = fed(3);
        assert_eq!(after(&feed, 0, 10), (vec![1, 2, 3], 0));
        assert_eq!(after(&feed, 2, 10), (vec![3], 0));
        assert_eq!(after(&feed, 3, 10), (vec![], 0));
        assert_eq!(after(&feed, 9, 10), (vec![], 0), "a number of the process before");
    }

    #[test]
    fn who_comes_too_late_or_would_have_too_much_is_told_how_many_it_missed() {
        let feed = fed(SEEN as u64 + 10);
        assert_eq!(feed.all().len(), SEEN, "no more are kept");
        assert_eq!(feed.counts(), (SEEN as u64 + 10, 0));
        let (numbers, dropped) = after(&feed, 4, SEEN);
        assert_eq!((numbers.first(), numbers.len(), dropped), (Some(&11), SEEN, 6));
        let (numbers, dropped) = after(&feed, 4, 2);
        let latest = SEEN as u64 + 10;
        assert_eq!((numbers, dropped), (vec![latest - 1, latest], SEEN as u64 + 4));
    }
}
