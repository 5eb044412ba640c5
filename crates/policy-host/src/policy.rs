//! One policy of a chain.

mod asking;

use std::sync::Arc;
use std::time::Instant;

use crate::revision::Revision;
use crate::trial::{Trial, TrialReport};
use crate::{
    BudgetReport, Digest, ErrorBudget, Generation, Grant, Grants, Mode, NotPromoted, OnFailure,
    PolicyName,
};

pub(crate) use asking::{Opinion, Question, Said};

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
    /// Whether it wants to be asked again before a late call: `x-asked-again` of that schema.
    pub asked_again: bool,
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
    pub(crate) budget: Option<ErrorBudget>,
    pub(crate) trial: Option<Trial>,
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

    /// The generation that its module, with these settings, was loaded for.
    pub fn since(&self) -> Generation {
        self.revision.since
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

    /// Whether it is asked again before a late call: it wants to be, and its word counts.
    pub(crate) fn is_asked_late(&self) -> bool {
        self.mode == Mode::Enforce && self.manifest().asked_again
    }

    /// Whether it may ask the ledger.
    pub(crate) fn remembers(&self) -> bool {
        self.revisions().any(|revision| revision.prepared.grants.contains(Grant::State))
    }

    /// How the trial of its candidate stands, where it has one.
    pub fn trial(&self) -> Option<TrialReport> {
        self.trial.as_ref().map(Trial::report)
    }

    /// Whether its candidate has earned that it comes into force by itself.
    pub fn is_passed(&self) -> bool {
        self.trial.as_ref().is_some_and(Trial::is_passed)
    }

    /// How its error budget stands, where it has one.
    pub fn budget(&self) -> Option<BudgetReport> {
        self.budget.map(|budget| self.revision.failures.report(budget, Instant::now()))
    }

    /// The policy with its candidate in its place.
    pub(crate) fn promoted(&self) -> Result<Self, NotPromoted> {
        let trial = self.trial.as_ref().ok_or(NotPromoted::NoCandidate)?;
        trial.end()?;
        let falls_back = self.on_failure == OnFailure::LastGood;
        Ok(Self {
            revision: Arc::clone(&trial.candidate),
            on_failure: self.on_failure,
            mode: self.mode,
            apps: self.apps.clone(),
            last_good: falls_back.then(|| Arc::clone(&self.revision)),
            budget: self.budget,
            trial: None,
        })
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
    pub fn decides_like(&self, other: &Self) -> bool {
        let trials_alike = match (&self.trial, &other.trial) {
            (Some(own), Some(other)) => own.is_like(other),
            (own, other) => own.is_none() && other.is_none(),
        };
        self.revision.is_like(&other.revision)
            && trials_alike
            && (self.on_failure, self.mode, self.budget, &self.apps)
                == (other.on_failure, other.mode, other.budget, &other.apps)
    }

    /// Whether both are under the same settings and rules, whatever their modules and trials.
    pub fn is_ruled_like(&self, other: &Self) -> bool {
        let settled = |policy: &Self| {
            let prepared = &policy.revision.prepared;
            (prepared.settings.clone(), prepared.grants, prepared.limits)
        };
        settled(self) == settled(other)
            && (self.on_failure, self.mode, self.budget, &self.apps)
                == (other.on_failure, other.mode, other.budget, &other.apps)
    }

    /// Every revision that it may ask.
    pub(crate) fn revisions(&self) -> impl Iterator<Item = &Arc<Revision>> {
        let candidate = self.trial.as_ref().map(|trial| &trial.candidate);
        std::iter::once(&self.revision).chain(&self.last_good).chain(candidate)
    }

    /// Every revision that is told what became of messages, and whether it is heeded.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = (&Revision, bool)> {
        let on_trial = self.trial.as_ref().filter(|trial| trial.goes_on());
        let candidate = on_trial.map(|trial| (&*trial.candidate, false));
        std::iter::once((&*self.revision, self.mode == Mode::Enforce)).chain(candidate)
    }
}
