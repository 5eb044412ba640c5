//! One policy of a chain, and how it is asked.

use std::error::Error;
use std::sync::Arc;

use message::facts::Facts;
use message::{Message, Rejection, Timestamp};
use tracing::Instrument;

use crate::amend::{self, Amended, Amending};
use crate::answer::{self, AnswerVerdict, sentence};
use crate::bindings::types;
use crate::convert::Lowered;
use crate::decision::{Decision, LimitReport, Verdict};
use crate::holds::Holds;
use crate::revision::Revision;
use crate::visit::Asking;
use crate::{Digest, Generation, Grant, Grants, Mode, OnFailure, PolicyFailure, PolicyName, spans};

/// What a policy says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its own name; the operator may give it another.
    pub name: String,
    /// Its version.
    pub version: Arc<str>,
    /// One sentence.
    pub summary: String,
    /// JSON Schema (2020-12) of its settings; empty where it has none.
    pub settings_schema: String,
    /// The limits and key spaces it keeps in `state`; for people.
    pub buckets: Vec<String>,
}

/// A loaded policy under the operator's rules for it.
#[derive(Debug)]
pub struct Policy {
    pub(crate) revision: Arc<Revision>,
    pub(crate) on_failure: OnFailure,
    pub(crate) mode: Mode,
    pub(crate) apps: Option<Vec<Arc<str>>>,
    /// The revision before this one, for [`OnFailure::LastGood`].
    pub(crate) last_good: Option<Arc<Revision>>,
}

/// One question to a policy.
pub(crate) struct Question<'a> {
    pub(crate) message: &'a Message,
    pub(crate) facts: &'a Facts,
    pub(crate) app: &'a str,
    pub(crate) door: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) generation: Generation,
    pub(crate) dry_run: bool,
    /// Whether a later policy has amended what it was asked about before; its own changes are ignored then.
    pub(crate) again: bool,
}

/// What a policy made of a question.
pub(crate) struct Opinion {
    pub(crate) said: Result<Said, PolicyFailure>,
    /// The policy's own, and before it that of the revision it stands in for.
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
    /// Its name in the configuration.
    pub fn name(&self) -> &PolicyName {
        &self.revision.prepared.name
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.revision.manifest
    }

    /// Its module.
    pub fn digest(&self) -> Digest {
        self.revision.prepared.digest
    }

    /// What it may import and change.
    pub fn grants(&self) -> Grants {
        self.revision.prepared.grants
    }

    /// What follows when it cannot decide.
    pub fn on_failure(&self) -> OnFailure {
        self.on_failure
    }

    /// Whether its verdicts count.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The apps it is asked about; all of them where absent.
    pub fn apps(&self) -> Option<&[Arc<str>]> {
        self.apps.as_deref()
    }

    /// Whether it is asked about messages of `app`.
    pub fn applies_to(&self, app: &str) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.iter().any(|each| &**each == app))
    }

    /// Whether it is asked again about what a later policy made of a message: its word counts, and nothing that it
    /// charged or reserved the first time can stand against the message.
    pub(crate) fn is_asked_again(&self) -> bool {
        self.mode == Mode::Enforce && !self.grants().contains(Grant::State)
    }

    /// How many warm instances wait for a message.
    pub fn idle_instances(&self) -> usize {
        self.revision.idle_instances()
    }

    /// Whether both run the same revision, and so the same warm instances.
    pub fn shares_revision_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.revision, &other.revision)
    }

    /// Whether it decides as `other` does: of the same module and settings, under the same rules.
    pub(crate) fn decides_like(&self, other: &Self) -> bool {
        self.revision.is_like(&other.revision)
            && (self.on_failure, self.mode, &self.apps)
                == (other.on_failure, other.mode, &other.apps)
    }

    /// Every revision that it may ask.
    pub(crate) fn revisions(&self) -> impl Iterator<Item = &Arc<Revision>> {
        std::iter::once(&self.revision).chain(&self.last_good)
    }

    /// Asks, and asks the last good revision where that is the operator's rule for a failure.
    pub(crate) async fn ask(&self, question: &Question<'_>) -> Opinion {
        let opinion = self.ask_revision(&self.revision, question).await;
        match (&opinion.said, self.on_failure, &self.last_good) {
            (Err(_), OnFailure::LastGood, Some(last_good)) => {
                let mut second = self.ask_revision(last_good, question).await;
                second.decisions.splice(0..0, opinion.decisions);
                second
            }
            _ => opinion,
        }
    }

    async fn ask_revision(&self, revision: &Revision, question: &Question<'_>) -> Opinion {
        let span = spans::check(revision, question.generation, self.mode);
        if question.again {
            span.record("policy.again", true);
        }
        let dry_run = question.dry_run || self.mode == Mode::Shadow;
        let probes = question.facts.media.iter().map(|media| media.probe.clone()).collect();
        let (by, now) = (question.message.id.clone(), question.now);
        let asking = Asking { by, now, dry_run, probes };
        let context = question.context(dry_run);
        let lowered = Lowered::new(question.message, question.facts);
        let visited = revision.check(&lowered, context, asking).instrument(span.clone()).await;

        let name = &revision.prepared.name;
        let answered = visited.returned.and_then(|returned| answer::read(name, returned));
        let (said, notes) = match answered {
            Ok(answer) => (self.said(revision, question, answer.verdict), answer.notes),
            Err(failure) => (Err(failure), Vec::new()),
        };
        // Neither a full house nor a rehearsal tells whether the revision can decide.
        if !dry_run && !matches!(said, Err(PolicyFailure::NoInstance)) {
            revision.set_failing(said.is_err());
        }

        let spent = visited.spent;
        let log_dropped = spent.as_ref().map_or(0, |spent| spent.log_dropped);
        let decision = Decision {
            policy: name.clone(),
            version: Arc::clone(&revision.manifest.version),
            digest: revision.prepared.digest,
            generation: question.generation,
            mode: self.mode,
            verdict: verdict(&said),
            notes,
            elapsed: visited.elapsed,
            host_calls: spent.as_ref().map_or(0, |spent| spent.host_calls),
        };
        spans::decided(&span, &decision, log_dropped);

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
        verdict: AnswerVerdict,
    ) -> Result<Said, PolicyFailure> {
        Ok(match verdict {
            AnswerVerdict::Accept => Said::Accept,
            AnswerVerdict::Reject(rejection) => Said::Reject(rejection),
            AnswerVerdict::Amend(_ignored) if question.again => Said::Accept,
            AnswerVerdict::Amend(changes) => {
                let (own, message) = (&revision.prepared, question.message);
                let amending =
                    Amending { policy: &own.name, grants: own.grants, now: question.now };
                let amended = amend::apply(&amending, message, question.facts, changes)?;
                Said::Amend(Box::new(amended))
            }
        })
    }
}

impl Question<'_> {
    fn context(&self, dry_run: bool) -> types::Context<'_> {
        types::Context { app: self.app, door: self.door, now_ms: self.now.0, dry_run }
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
    sentence(&said)
}
