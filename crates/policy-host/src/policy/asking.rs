//! How a policy is asked, and what it made of the question.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use message::answer::Answered;
use message::facts::Facts;
use message::{Message, Note, Rejection, Timestamp};
use tracing::{Instrument, Span};

use super::Policy;
use crate::amend::{self, Amended};
use crate::answer::sentence;
use crate::bindings::types;
use crate::budget::{Admission, Turn};
use crate::convert::Lowered;
use crate::decision::{Decision, LimitReport, Verdict};
use crate::foresight::Foresight;
use crate::holds::Holds;
use crate::revision::{Revision, Visited};
use crate::trial::{Trial, Word};
use crate::visit::Asking;
use crate::{Basis, Generation, Mode, OnFailure, PolicyFailure, spans};

/// Of a message that a later policy changed, and that is not as an earlier one would have it.
const NOT_CLEARED: &str = "it would change what a later policy has made of the message; put it after that one, or have \
                           it accept a message that is as it wants it";

/// One question to a policy.
pub(crate) struct Question<'a> {
    pub(crate) message: &'a Message,
    pub(crate) facts: &'a Facts,
    pub(crate) app: &'a str,
    pub(crate) account: &'a Arc<str>,
    pub(crate) door: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) generation: Generation,
    pub(crate) dry_run: bool,
    /// How far `now` is ahead of the clock, in a dry run.
    pub(crate) ahead: Duration,
    /// Whether a later policy has amended what it was asked about before; its own changes are ignored then.
    pub(crate) again: bool,
    /// Whether it is asked before a late call: a dry run from which something follows.
    pub(crate) late: bool,
    /// What was foretold of the ledger's answers, or a guess at its questions.
    pub(crate) foresight: Option<&'a Arc<Foresight>>,
}

/// What a policy made of a question.
pub(crate) struct Opinion {
    pub(crate) said: Result<Said, PolicyFailure>,
    /// The policy's own; before it that of the revision it stands in for, and first a candidate's.
    pub(crate) decisions: Vec<Decision>,
    pub(crate) holds: Holds,
    pub(crate) reports: Vec<LimitReport>,
}

#[derive(Debug)]
pub(crate) enum Said {
    Accept,
    Amend(Box<Amended>),
    Reject(Rejection),
}

impl Policy {
    /// Asks the policy, and the candidate beside it.
    pub(crate) async fn ask(&self, question: &Question<'_>) -> Opinion {
        // What a later policy has changed is no question of its own.
        let on_trial = self.trial.as_ref().filter(|trial| !question.again && trial.goes_on());
        match on_trial {
            // On the heap, so that a policy without a candidate has no room for one.
            Some(trial) => Box::pin(self.ask_both(trial, question)).await,
            None => self.ask_in_force(question).await,
        }
    }

    /// Of the candidate's word only its decision is taken in, and what it holds.
    async fn ask_both(&self, trial: &Trial, question: &Question<'_>) -> Opinion {
        let asked = Admission::Asked;
        let candidate = self.ask_revision(&trial.candidate, Mode::Candidate, asked, question);
        let (mut opinion, mut candidate) = tokio::join!(self.ask_in_force(question), candidate);
        if question.counts() {
            trial.compare(question, &opinion, &candidate);
        }
        opinion.holds.take_over(&mut candidate.holds);
        opinion.decisions.splice(0..0, candidate.decisions);
        opinion
    }

    /// Asks, and asks the last good revision where that is the operator's rule for a failure.
    pub(crate) async fn ask_in_force(&self, question: &Question<'_>) -> Opinion {
        let admission = self.admission(question);
        let opinion = self.ask_revision(&self.revision, self.mode, admission, question).await;
        self.hear(admission, &opinion, question);
        match (&opinion.said, self.on_failure, &self.last_good) {
            (Err(PolicyFailure::NoInstance), ..) => opinion,
            (Err(failure), OnFailure::LastGood, Some(last_good)) if !question.guesses() => {
                self.revision.complain(failure, "a policy failed and its last good one is asked");
                let asked = Admission::Asked;
                let mut second = self.ask_revision(last_good, self.mode, asked, question).await;
                second.decisions.splice(0..0, opinion.decisions);
                second
            }
            _ => opinion,
        }
    }

    /// Whether its error budget lets it be asked. A rehearsal or guess finds out what would be, and spends nothing.
    fn admission(&self, question: &Question<'_>) -> Admission {
        let (failures, now) = (&self.revision.failures, Instant::now());
        match self.budget {
            None => Admission::Asked,
            Some(_) if !question.counts() && failures.is_spent(now) => Admission::Spared,
            Some(_) if !question.counts() => Admission::Asked,
            Some(budget) => failures.admit(budget, now),
        }
    }

    /// Counts how it went against the error budget.
    fn hear(&self, admission: Admission, opinion: &Opinion, question: &Question<'_>) {
        let Some(budget) = self.budget.filter(|_| question.counts()) else { return };
        if opinion.was_not_asked() {
            return;
        }
        let (failed, now) = (opinion.said.is_err(), Instant::now());
        let (name, window_s) = (self.name(), budget.window.as_secs());
        match self.revision.failures.heard(budget, admission, failed, now) {
            Some(Turn::Tripped) if self.mode == Mode::Shadow => tracing::error!(
                policy.name = %name,
                failures = budget.failures,
                window_s,
                "a policy in shadow mode failed too often and is not asked for now"
            ),
            Some(Turn::Tripped) => tracing::error!(
                policy.name = %name,
                failures = budget.failures,
                window_s,
                on_failure = self.on_failure.as_str(),
                "a policy failed too often and is not asked for now; on_failure decides"
            ),
            Some(Turn::Recovered) => {
                tracing::info!(policy.name = %name, "a policy that failed too often is asked again");
            }
            None => {}
        }
    }

    async fn ask_revision(
        &self,
        revision: &Revision,
        mode: Mode,
        admission: Admission,
        question: &Question<'_>,
    ) -> Opinion {
        let span = match question.guesses() {
            true => Span::none(),
            false => spans::check(revision, question.generation, mode),
        };
        if question.again {
            span.record("policy.again", true);
        }
        if question.dry_run {
            span.record("policy.dry_run", true);
        }
        let (dry_run, heeded) = (question.dry_run, mode == Mode::Enforce);
        let probes = question.facts.media.iter().map(|media| media.probe.clone()).collect();
        let (by, now) = (question.message.id.clone(), question.now);
        // A rehearsal is no decision, but what is asked again, or late, may end the way.
        let decides = question.counts() || question.again || question.late;
        let record = revision.prepared.shared.record && decides;
        let foresight = question.foresight.cloned();
        let (ahead, account) = (question.ahead, Arc::clone(question.account));
        let (handset, text) = (question.message.to.as_str(), question.message.text.as_str().into());
        let asking = Asking {
            by,
            handset: handset.into(),
            text,
            now,
            dry_run,
            ahead,
            account,
            record,
            heeded,
            foresight,
            probes,
        };
        let context = question.context();
        let visited = if admission == Admission::Spared {
            Visited::spared()
        } else {
            let lowered = Lowered::new(question.message, question.facts);
            revision.check(&lowered, context, asking).instrument(span.clone()).await
        };

        let name = &revision.prepared.name;
        let speaker = revision.speaker(handset);
        let answered = visited.returned.and_then(|returned| speaker.decision(returned));
        let (said, notes) = match answered {
            Ok(answer) => (self.said(revision, question, answer.verdict), answer.notes),
            // A rehearsal is for the eyes of whoever wrote the message.
            Err(failure) if speaker.masked => {
                (Err(failure.without(&question.message.text)), Vec::new())
            }
            Err(failure) => (Err(failure), Vec::new()),
        };
        // Neither a full house nor a rehearsal tells whether the revision can decide.
        if heeded && question.counts() && !was_not_asked(&said) {
            revision.set_failing(said.is_err());
        }

        let mut spent = visited.spent;
        let basis = record.then(|| {
            let calls = spent.as_mut().map(|spent| std::mem::take(&mut spent.calls));
            Arc::new(Basis {
                calls: calls.unwrap_or_default(),
                amended: amended(&said),
                again: question.again,
            })
        });
        let log_dropped = spent.as_ref().map_or(0, |spent| spent.log_dropped);
        let decision = Decision {
            policy: name.clone(),
            version: Arc::clone(&revision.manifest.version),
            digest: revision.prepared.digest,
            generation: question.generation,
            mode,
            verdict: verdict(&said),
            notes,
            elapsed: visited.elapsed,
            guest: spent.as_ref().map_or(Duration::ZERO, |spent| spent.guest),
            memory: spent.as_ref().map_or(0, |spent| spent.memory),
            host_calls: spent.as_ref().map_or(0, |spent| spent.host_calls),
            basis,
        };
        spans::decided(&span, &decision, &question.message.text, log_dropped);

        let ledger = &revision.prepared.shared.ledger;
        let (mut holds, reports) = match spent {
            Some(spent) => (spent.holds, spent.reports),
            None => (Holds::none(ledger), Vec::new()),
        };
        if said.is_err() {
            // What it took before it failed was taken for nothing.
            std::mem::replace(&mut holds, Holds::none(ledger)).give_back().await;
        }
        Opinion { said, decisions: vec![decision], holds, reports }
    }

    fn said(
        &self,
        revision: &Revision,
        question: &Question<'_>,
        verdict: Answered,
    ) -> Result<Said, PolicyFailure> {
        Ok(match verdict {
            Answered::Accept => Said::Accept,
            Answered::Reject(rejection) => Said::Reject(rejection),
            Answered::Amend(changes) => {
                let terms = (revision.prepared.grants, question.now);
                let amended = amend::apply(terms, question.message, question.facts, changes)?;
                match question.again {
                    false => Said::Amend(Box::new(amended)),
                    // It has had its way already, or finds what it wants.
                    true if amended.message == *question.message => Said::Accept,
                    true => return Err(PolicyFailure::IllegalAmend(NOT_CLEARED.to_owned())),
                }
            }
        })
    }
}

impl Question<'_> {
    /// Whether this only finds out what the policy will ask the ledger.
    fn guesses(&self) -> bool {
        self.foresight.is_some_and(|foresight| foresight.guesses())
    }

    /// Whether something follows from the answer.
    fn counts(&self) -> bool {
        !self.dry_run && !self.guesses()
    }

    fn context(&self) -> types::Context<'_> {
        let Self { app, door, now, dry_run, .. } = *self;
        types::Context { app, door, now_ms: now.0, dry_run }
    }
}

impl Opinion {
    /// Whether nobody was asked, which says nothing of the policy.
    pub(crate) fn was_not_asked(&self) -> bool {
        was_not_asked(&self.said)
    }

    /// What it comes to, without a number and without a text.
    pub(crate) fn word(&self) -> Word {
        let verdict = verdict(&self.said);
        Word { verdict: verdict.as_str(), codes: verdict.codes() }
    }

    /// The notes of the decision that it comes to.
    pub(crate) fn notes(&self) -> &[Note] {
        self.decisions.last().map_or(&[], |decision| &decision.notes)
    }
}

fn was_not_asked(said: &Result<Said, PolicyFailure>) -> bool {
    matches!(said, Err(PolicyFailure::NoInstance | PolicyFailure::Tripped))
}

fn amended(said: &Result<Said, PolicyFailure>) -> Option<(Message, Facts)> {
    match said {
        Ok(Said::Amend(amended)) => Some((amended.message.clone(), amended.facts.clone())),
        _ => None,
    }
}

fn verdict(said: &Result<Said, PolicyFailure>) -> Verdict {
    match said {
        Ok(Said::Accept) => Verdict::Accepted,
        Ok(Said::Amend(amended)) => Verdict::Amended(amended.changes.clone()),
        Ok(Said::Reject(rejection)) => Verdict::Rejected(rejection.clone()),
        Err(failure) => Verdict::Failed { kind: failure.as_str(), detail: with_sources(failure) },
    }
}

fn with_sources(failure: &PolicyFailure) -> String {
    let mut said = failure.to_string();
    let mut source = failure.source();
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    sentence(said)
}
