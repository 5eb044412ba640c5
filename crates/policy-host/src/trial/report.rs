//! What is wanted of a trial, and what came of it.

use std::sync::Arc;

use message::{MessageId, Timestamp};

use crate::{Digest, ErrorBudget};

/// In what two revisions may differ about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Whether it may pass, as it is or changed; or whether they could decide at all.
    Verdict,
    /// The codes of the refusal, the changes or the failure.
    Code,
    /// What the message would become by changes of the same codes.
    Changes,
    /// The notes.
    Notes,
}

/// What one revision said of a message, without a number and without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// [`Verdict::as_str`](crate::Verdict::as_str).
    pub verdict: &'static str,
    /// [`Verdict::codes`](crate::Verdict::codes).
    pub codes: Vec<String>,
}

/// A message about which they differed.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The instant of the decision.
    pub at: Timestamp,
    /// The message.
    pub message: MessageId,
    /// The app that asked.
    pub app: Arc<str>,
    /// In what.
    pub kinds: Vec<DifferenceKind>,
    /// What counted.
    pub in_force: Word,
    /// What would have.
    pub candidate: Word,
}

/// What an operator wants of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialRules {
    /// The kinds of difference that matter: they are remembered and told. All others are only counted.
    pub watched: Vec<DifferenceKind>,
    /// So many messages in a row that both decided without one of these, and the candidate may come into force; never by itself where
    /// absent.
    pub promote_after: Option<u64>,
    /// So many failures are too many, where the policy in force could decide: the candidate is dropped.
    pub budget: ErrorBudget,
}

/// Whether a candidate is still asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialStanding {
    /// It is.
    OnTrial,
    /// It failed too often; the kind of the last failure, as [`PolicyFailure::as_str`](crate::PolicyFailure::as_str).
    Dropped(&'static str),
    /// It came into force and was rolled back from; it is tried no more until its file or settings change.
    RolledBack,
}

/// How a trial stands.
#[derive(Clone, Debug)]
pub struct TrialReport {
    /// Whether the candidate is still asked.
    pub standing: TrialStanding,
    /// What was wanted of it.
    pub rules: TrialRules,
    /// The version that the candidate gives itself.
    pub version: Arc<str>,
    /// Its module.
    pub digest: Digest,
    /// Messages that both were asked about and at least one of them could decide.
    pub compared: u64,
    /// The latest of them, in a row, that both decided without a difference that matters.
    pub alike: u64,
    /// Those among them about which they differed, in [`DifferenceKind::ALL`]'s order; one may be counted in several.
    pub differed: [u64; DifferenceKind::ALL.len()],
    /// The latest differences that matter, the oldest first.
    pub differences: Vec<Difference>,
}

impl DifferenceKind {
    /// Every kind, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::Verdict, Self::Code, Self::Changes, Self::Notes];

    /// The configuration's word: `verdict`, `code`, `changes` or `notes`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::Code => "code",
            Self::Changes => "changes",
            Self::Notes => "notes",
        }
    }
}

impl Default for TrialRules {
    /// Everything but notes matters, nothing comes into force by itself, and the budget is the default one.
    fn default() -> Self {
        let watched = vec![DifferenceKind::Verdict, DifferenceKind::Code, DifferenceKind::Changes];
        Self { watched, promote_after: None, budget: ErrorBudget::default() }
    }
}

impl TrialStanding {
    /// A stable word: `on_trial`, `dropped` or `rolled_back`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnTrial => "on_trial",
            Self::Dropped(_) => "dropped",
            Self::RolledBack => "rolled_back",
        }
    }
}
