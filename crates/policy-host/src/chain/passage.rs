//! One message on its way through a chain.

use message::facts::Facts;
use message::{Change, Message, Note};

use super::{Candidate, PolicyChain};
use crate::cleared::{Cleared, Explanation, NotCleared, NotClearedKind, Trail};
use crate::decision::{Decision, LimitReport};
use crate::holds::Holds;
use crate::policy::{Opinion, Question, Said};
use crate::{Generation, Mode, OnFailure, Policy, PolicyName};

/// The message as it is by now, and all that was said and taken so far.
pub(super) struct Passage {
    candidate: Candidate,
    generation: Generation,
    dry_run: bool,
    holds: Holds,
    decisions: Vec<Decision>,
    changes: Vec<Change>,
    warnings: Vec<Note>,
    standings: Vec<LimitReport>,
}

/// A policy's word that ends the way.
pub(super) struct Stop {
    policy: PolicyName,
    kind: NotClearedKind,
}

impl Passage {
    pub(super) fn new(chain: &PolicyChain, candidate: Candidate, dry_run: bool) -> Self {
        Self {
            candidate,
            generation: chain.generation,
            dry_run,
            holds: Holds::none(&chain.ledger),
            decisions: Vec::with_capacity(chain.policies.len()),
            changes: Vec::new(),
            warnings: Vec::new(),
            standings: Vec::new(),
        }
    }

    pub(super) fn question(&self) -> Question<'_> {
        let candidate = &self.candidate;
        Question {
            message: &candidate.message,
            facts: &candidate.facts,
            app: &candidate.app,
            door: candidate.door,
            now: candidate.now,
            generation: self.generation,
            dry_run: self.dry_run,
        }
    }

    /// Takes in what `policy` said; a policy in the shadow says nothing that counts.
    pub(super) fn take_in(&mut self, policy: &Policy, opinion: Opinion) -> Option<Stop> {
        let Opinion { said, decisions, mut holds, reports } = opinion;
        let from = self.decisions.len();
        self.decisions.extend(decisions);
        if policy.mode == Mode::Shadow {
            return None;
        }
        self.holds.take_over(&mut holds);
        self.standings.extend(reports);
        let notes = self.decisions[from..].iter().flat_map(|decision| &decision.notes);
        self.warnings.extend(notes.filter(|note| note.shown).cloned());
        let stop = |kind| Some(Stop { policy: policy.name().clone(), kind });
        match said {
            Ok(Said::Accept) => None,
            Ok(Said::Amend(amended)) => {
                self.candidate.message = amended.message;
                self.candidate.facts = amended.facts;
                self.changes.extend(amended.changes);
                None
            }
            Ok(Said::Reject(rejection)) => stop(NotClearedKind::Rejected(rejection)),
            Err(failure) if policy.on_failure == OnFailure::Accept => {
                self.skipped(policy, failure.as_str());
                None
            }
            Err(failure) => stop(NotClearedKind::Failed(failure)),
        }
    }

    pub(super) fn cleared(self) -> Cleared {
        let (message, facts, holds, trail) = self.apart();
        Cleared::new(message, facts, holds, trail)
    }

    pub(super) async fn stopped(self, stop: Stop) -> NotCleared {
        let (message, _facts, holds, trail) = self.apart();
        holds.give_back().await;
        NotCleared { kind: stop.kind, policy: stop.policy, message, trail }
    }

    pub(super) fn explained(self, stop: Option<Stop>) -> Explanation {
        let (message, facts, _no_holds, trail) = self.apart();
        Explanation { stopped: stop.map(|stop| (stop.policy, stop.kind)), message, facts, trail }
    }

    fn skipped(&mut self, policy: &Policy, kind: &str) {
        tracing::warn!(policy.name = %policy.name(), error.type = kind, "a policy failed and was skipped");
        if let Some(decision) = self.decisions.last_mut() {
            decision.notes.push(Note {
                policy: policy.name().as_str().to_owned(),
                key: "policy.skipped".to_owned(),
                value: kind.to_owned(),
                shown: false,
            });
        }
    }

    fn apart(self) -> (Message, Facts, Holds, Trail) {
        let trail = Trail {
            generation: self.generation,
            decisions: self.decisions,
            changes: self.changes,
            warnings: self.warnings,
            standings: self.standings,
        };
        (self.candidate.message, self.candidate.facts, self.holds, trail)
    }
}
