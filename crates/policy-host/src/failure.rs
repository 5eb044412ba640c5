//! Why a policy could not decide, told apart by type.

mod trapped;

use thiserror::Error;
use wasmtime::{PoolConcurrencyLimitError, Trap};

pub use self::trapped::Trapped;
use crate::memory::Refused;
use crate::redact::without;
use crate::visit::Visit;

/// Why a policy could not decide. What follows is the operator's choice, [`OnFailure`](crate::OnFailure).
#[derive(Debug, Error)]
pub enum PolicyFailure {
    /// It ran, or waited for its state, longer than its time.
    #[error("the policy ran out of time; where it needs more, raise `time_ms`")]
    Deadline,
    /// It asked for more memory than its limit and then gave up.
    #[error("the policy ran out of memory: {0}")]
    Memory(Refused),
    /// It called the host more often than its limit.
    #[error("the policy called the host too often; where it needs to, raise `host_calls`")]
    HostCalls,
    /// It ran out of stack.
    #[error("the policy overflowed its stack")]
    StackOverflow,
    /// It trapped; a panic of the guest ends so.
    #[error("the policy trapped: {0}")]
    Trap(Box<Trapped>),
    /// It said itself that it could not decide.
    #[error("the policy could not decide: {kind}: {detail}")]
    Undecided {
        /// The policy's short stable word, such as `state-unavailable`.
        kind: String,
        /// The policy's sentence.
        detail: String,
    },
    /// It asked for a change that it may not make, or that does not leave a message fit to send.
    #[error("the policy asked for an illegal change: {0}")]
    IllegalAmend(String),
    /// Its answer breaks the contract's bounds.
    #[error("the policy gave a bad answer: {0}")]
    BadAnswer(String),
    /// No instance was to be had for as long as those who were asked before may take. Nobody was asked, so that no
    /// operator's choice lets the message pass.
    #[error("no instance of the policy was free")]
    NoInstance,
    /// It was not asked: its error budget is spent.
    #[error("the policy failed too often and is not asked for now")]
    Tripped,
}

/// Why the host itself ended a visit from within an import.
#[derive(Clone, Copy, Debug, Error)]
pub(crate) enum Cut {
    #[error("too many calls of the host")]
    HostCalls,
    #[error("waited too long for the state")]
    Waited,
}

impl PolicyFailure {
    /// The same, without what the policy repeats of this text in its own words.
    pub(crate) fn without(self, text: &str) -> Self {
        match self {
            Self::Undecided { kind, detail } => {
                Self::Undecided { kind, detail: without(text, &detail) }
            }
            Self::Trap(trapped) => Self::Trap(Box::new(trapped.without(text))),
            other => other,
        }
    }

    /// A short stable word, for `error.type`, metrics and records.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Memory(_) => "memory",
            Self::HostCalls => "host_calls",
            Self::StackOverflow => "stack_overflow",
            Self::Trap(_) => "trap",
            Self::Undecided { .. } => "undecided",
            Self::IllegalAmend(_) => "illegal_amend",
            Self::BadAnswer(_) => "bad_answer",
            Self::NoInstance => "no_instance",
            Self::Tripped => "tripped",
        }
    }
}

/// What ended a visit that did not return.
///
/// A guest that may not grow its memory and a guest that panics end in the same trap; the meter tells them apart.
pub(crate) fn classify(error: wasmtime::Error, visit: &Visit) -> PolicyFailure {
    match error.downcast_ref::<Cut>() {
        Some(Cut::HostCalls) => return PolicyFailure::HostCalls,
        Some(Cut::Waited) => return PolicyFailure::Deadline,
        None => {}
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return PolicyFailure::NoInstance;
    }
    match (error.downcast_ref::<Trap>(), visit.meter.refused()) {
        (Some(Trap::Interrupt), _) => PolicyFailure::Deadline,
        (Some(Trap::StackOverflow), _) => PolicyFailure::StackOverflow,
        (_, Some(refused)) => PolicyFailure::Memory(refused),
        (_, None) if trapped::overflowed(&error) => PolicyFailure::StackOverflow,
        (_, None) => PolicyFailure::Trap(Box::new(Trapped::of(&error, visit.last_words()))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use store::MemoryLedger;
    use wasmtime::{ResourceLimiter, Trap};

    use super::{Cut, classify};
    use crate::visit::Visit;
    use crate::{Grants, PolicyName, VisitLimits};

    fn visit() -> Visit {
        let (name, limits) = (PolicyName::new("p"), VisitLimits::default());
        let ledger = Arc::new(MemoryLedger::default());
        let grants = Grants::default();
        Visit::new(name, limits, grants, Default::default(), ledger, Arc::default(), None)
    }

    #[test]
    fn every_ending_is_told_apart_by_its_type() {
        let cases = [
            (wasmtime::Error::from(Trap::Interrupt), "deadline"),
            (Cut::Waited.into(), "deadline"),
            (Cut::HostCalls.into(), "host_calls"),
            (Trap::StackOverflow.into(), "stack_overflow"),
            (Trap::UnreachableCodeReached.into(), "trap"),
            (wasmtime::Error::msg("anything else"), "trap"),
        ];
        for (error, kind) in cases {
            let said = format!("{error:?}");
            let wrapped = error.context("while the guest ran");
            assert_eq!(classify(wrapped, &visit()).as_str(), kind, "{said}");
        }
    }

    #[test]
    fn a_trap_after_a_refused_allocation_is_for_want_of_memory() {
        let mut visit = visit();
        assert!(!visit.meter.memory_growing(0, usize::MAX, None).unwrap());
        let panicked = Trap::UnreachableCodeReached.into();
        assert_eq!(classify(panicked, &visit).as_str(), "memory");
    }
}
