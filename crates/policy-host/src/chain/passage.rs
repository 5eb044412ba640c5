//! One message on its way through a chain.

use std::sync::Arc;
use std::time::Duration;

use message::facts::Facts;
use message::{Change, Message, Note, Rejection};

use super::{Candidate, PolicyChain};
use crate::amend::Amended;
use crate::cleared::{Cleared, Explanation, NotCleared, NotClearedKind, Trail};
use crate::decision::{Decision, LimitReport};
use crate::foresight::Foresight;
use crate::holds::Holds;
use crate::policy::{Opinion, Question, Said};
use crate::{Generation, Mode, OnFailure, Policy, PolicyFailure, PolicyName};

/// The message as it is by now, and all that was said and taken so far.
pub(super) struct Passage {
    candidate: Candidate,
    generation: Generation,
    /// A dry run, and how far ahead of the clock.
    rehearsal: Option<Duration>,
    /// What was foretold of a far ledger's answers, or a guess at the questions to it.
    foresight: Option<Arc<Foresight>>,
    holds: Holds,
    decisions: Vec<Decision>,
    changes: Vec<Change>,
    warnings: Vec<Note>,
    standings: Vec<LimitReport>,
    sender_by: Option<PolicyName>,
    /// The last policy that made another message of it.
    amended_by: Option<PolicyName>,
}

/// What a policy's word does to the way.
pub(super) enum Step {
    On,
    /// The message is another one than the policies before were asked about.
    Amended,
    Ended(Stop),
}

/// A policy's word that ends the way.
pub(super) struct Stop {
    policy: PolicyName,
    kind: NotClearedKind,
}

/// What a policy said, under its operator's rule for failures.
pub(super) enum Weight {
    Accepted,
    Amended(Box<Amended>),
    Skipped(PolicyFailure),
    Ends(NotClearedKind),
}

impl Passage {
    pub(super) fn new(
        chain: &PolicyChain,
        candidate: Candidate,
        rehearsal: Option<Duration>,
    ) -> Self {
        Self {
            candidate,
            generation: chain.generation,
            rehearsal,
            foresight: None,
            holds: Holds::none(&chain.ledger),
            decisions: Vec::with_capacity(chain.policies.len()),
            changes: Vec::new(),
            warnings: Vec::new(),
            standings: Vec::new(),
            sender_by: None,
            amended_by: None,
        }
    }

    pub(super) fn with(self, foresight: Arc<Foresight>) -> Self {
        Self { foresight: Some(foresight), ..self }
    }

    pub(super) fn question(&self) -> Question<'_> {
        let candidate = &self.candidate;
        Question {
            message: &candidate.message,
            facts: &candidate.facts,
            app: &candidate.app,
            account: &candidate.account,
            door: candidate.door,
            now: candidate.now,
            generation: self.generation,
            dry_run: self.rehearsal.is_some(),
            ahead: self.rehearsal.unwrap_or_default(),
            again: false,
            late: false,
            foresight: self.foresight.as_ref(),
        }
    }

    /// The question to a policy that was asked before about the message as it was then.
    pub(super) fn question_again(&self) -> Question<'_> {
        Question { dry_run: true, again: true, ..self.question() }
    }

    /// The question before a late call.
    pub(super) fn question_late(&self) -> Question<'_> {
        Question { late: true, ..self.question() }
    }

    pub(super) fn app(&self) -> Arc<str> {
        Arc::clone(&self.candidate.app)
    }

    /// Takes in what `policy` said; a policy in the shadow says nothing that counts.
    pub(super) fn take_in(&mut self, policy: &Policy, opinion: Opinion) -> Step {
        let Opinion { said, decisions, mut holds, reports } = opinion;
        let said = match said {
            // Beyond a failure nothing is guessed.
            Err(failure) if self.guesses() => {
                let kind = NotClearedKind::Failed(failure);
                return Step::Ended(Stop { policy: policy.name().clone(), kind });
            }
            said => said,
        };
        // What is not heeded remembers apart, and its holds end like all others.
        self.holds.take_over(&mut holds);
        if policy.mode == Mode::Shadow {
            if let Err(failure) = &said {
                policy.revision.complain(failure, "a policy in shadow mode failed");
            }
            self.decisions.extend(decisions);
            return Step::On;
        }
        self.standings.extend(reports);
        self.write_down(decisions);
        match weigh(said, policy.on_failure) {
            Weight::Accepted => Step::On,
            Weight::Amended(amended) => {
                let goes_by = |message: &Message| (message.sender.clone(), message.kind());
                if goes_by(&amended.message) != goes_by(&self.candidate.message) {
                    self.sender_by = Some(policy.name().clone());
                }
                self.amended_by = Some(policy.name().clone());
                self.candidate.message = amended.message;
                self.candidate.facts = amended.facts;
                self.changes.extend(amended.changes);
                Step::Amended
            }
            Weight::Skipped(failure) => {
                self.skipped(policy, &failure);
                Step::On
            }
            Weight::Ends(kind) => Step::Ended(Stop { policy: policy.name().clone(), kind }),
        }
    }

    /// Takes in what `policy` said when it was asked again: it is written down only where it ends the way.
    pub(super) fn take_in_again(&mut self, policy: &Policy, opinion: Opinion) -> Option<Stop> {
        match weigh(opinion.said, policy.on_failure) {
            Weight::Accepted | Weight::Amended(_) => None,
            Weight::Skipped(failure) => {
                if !self.guesses() {
                    warn_of_skip(policy, &failure);
                }
                None
            }
            Weight::Ends(mut kind) => {
                self.write_down(opinion.decisions);
                if let (NotClearedKind::Rejected(rejection), Some(by)) =
                    (&mut kind, &self.amended_by)
                {
                    tell_of_change(rejection, by);
                }
                Some(Stop { policy: policy.name().clone(), kind })
            }
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

    fn guesses(&self) -> bool {
        self.foresight.as_ref().is_some_and(|foresight| foresight.guesses())
    }

    fn write_down(&mut self, decisions: Vec<Decision>) {
        let heeded = decisions.iter().filter(|decision| decision.mode == Mode::Enforce);
        let notes = heeded.flat_map(|decision| &decision.notes);
        self.warnings.extend(notes.filter(|note| note.shown).cloned());
        self.decisions.extend(decisions);
    }

    fn skipped(&mut self, policy: &Policy, failure: &PolicyFailure) {
        warn_of_skip(policy, failure);
        let (name, kind) = (policy.name().as_str(), failure.as_str());
        let note = Note {
            policy: name.to_owned(),
            key: "policy.skipped".to_owned(),
            value: format!("policy `{name}` could not decide ({kind}) and was left out"),
            // Whoever sends should know that a rule was not kept.
            shown: true,
        };
        self.warnings.push(note.clone());
        if let Some(decision) = self.decisions.last_mut() {
            decision.notes.push(note);
        }
    }

    fn apart(self) -> (Message, Facts, Holds, Trail) {
        let trail = Trail {
            generation: self.generation,
            decisions: self.decisions,
            changes: self.changes,
            warnings: self.warnings,
            standings: self.standings,
            sender_by: self.sender_by,
        };
        (self.candidate.message, self.candidate.facts, self.holds, trail)
    }
}

/// What is refused is not what the app sent, and each of its faults may be told alone.
fn tell_of_change(rejection: &mut Rejection, by: &PolicyName) {
    let details = rejection.faults.iter_mut().map(|fault| &mut fault.detail);
    for detail in details.chain([&mut rejection.detail]) {
        *detail = format!("as policy {by} has changed it: {detail}");
    }
}

/// The same rule whether a policy is asked for the first time or again.
pub(super) fn weigh(said: Result<Said, PolicyFailure>, on_failure: OnFailure) -> Weight {
    match said {
        Ok(Said::Accept) => Weight::Accepted,
        Ok(Said::Amend(amended)) => Weight::Amended(amended),
        Ok(Said::Reject(rejection)) => Weight::Ends(NotClearedKind::Rejected(rejection)),
        // A full house is no failure of the policy's: what nobody was asked about does not pass for that.
        Err(failure @ PolicyFailure::NoInstance) => Weight::Ends(NotClearedKind::Failed(failure)),
        Err(failure) if on_failure == OnFailure::Accept => Weight::Skipped(failure),
        Err(failure) => Weight::Ends(NotClearedKind::Failed(failure)),
    }
}

pub(super) fn warn_of_skip(policy: &Policy, failure: &PolicyFailure) {
    policy.revision.complain(failure, "a policy failed and was skipped");
}

#[cfg(test)]
mod tests {
    use super::{NotClearedKind, OnFailure, PolicyFailure, Rejection, Said, Weight, weigh};

    const RULES: [OnFailure; 3] = [OnFailure::Reject, OnFailure::Accept, OnFailure::LastGood];

    fn refusal() -> Rejection {
        Rejection {
            code: "test.asked".to_owned(),
            detail: "why".to_owned(),
            faults: Vec::new(),
            retry_after: None,
            earlier: None,
        }
    }

    #[test]
    fn a_refusal_ends_the_way_whatever_the_rule_for_failures() {
        for rule in RULES {
            let weight = weigh(Ok(Said::Reject(refusal())), rule);
            assert!(matches!(weight, Weight::Ends(NotClearedKind::Rejected(_))), "{rule:?}");
        }
    }

    #[test]
    fn a_failure_ends_the_way_unless_the_operator_lets_it_pass() {
        for rule in RULES {
            let ends = match weigh(Err(PolicyFailure::Deadline), rule) {
                Weight::Ends(NotClearedKind::Failed(_)) => true,
                Weight::Skipped(_) => false,
                _ => panic!("a failure under {rule:?} is neither"),
            };
            assert_eq!(ends, rule != OnFailure::Accept, "{rule:?}");
        }
    }

    #[test]
    fn where_nobody_could_be_asked_the_way_ends_whatever_the_rule_for_failures() {
        for rule in RULES {
            let weight = weigh(Err(PolicyFailure::NoInstance), rule);
            assert!(matches!(weight, Weight::Ends(NotClearedKind::Failed(_))), "{rule:?}");
        }
    }
}
