//! The spans and events that this crate makes.
//!
//! | Name | Fields |
//! |---|---|
//! | span `policy.check` | `policy.name`, `policy.version`, `policy.digest` (12 digits), `policy.generation`, `policy.mode` (`enforce`, `shadow`, `candidate`), `policy.again` (only where `true`: a later policy amended the message; its own changes are ignored), `policy.dry_run` (only where `true`), `policy.verdict` (`accept`, `amend`, `reject`, `failure`), `policy.code`, `policy.wasm_us` (microseconds from the question to the verdict), `policy.guest_us` (of these, in the guest and its imports), `policy.memory` (bytes), `policy.host_calls`, `policy.log_dropped` (lines), `error.type` ([`PolicyFailure::as_str`](crate::PolicyFailure::as_str)) |
//! | event `policy.note` in it | `note.key`, `note.value`, `note.shown` |
//! | event `policy.difference` in the caller's span (a candidate decides otherwise) | `policy.name`, `difference.kinds` (words), `policy.verdict`, `policy.codes`, `candidate.verdict`, `candidate.codes` |
//! | span `policy.report` (an outcome or delivery report is told) | `policy.name`, `policy.generation` |
//! | span `policy.load` | `policy.name`, `policy.digest` |
//!
//! No field holds a whole number: a code, a note's key or a counter's name with seven digits in a row breaks the contract,
//! and in a note's value they are masked, as is the handset's number however it is grouped. Nor does a note's value hold a
//! message's text. Words of it in a code or a key are the policy's own words, as far as the host can tell.

use tracing::{Level, Span, field};

use crate::decision::{Decision, Verdict};
use crate::redact::without;
use crate::revision::Revision;
use crate::{Difference, Digest, Generation, Mode, PolicyName};

/// One policy is asked about one message.
pub(crate) fn check(revision: &Revision, generation: Generation, mode: Mode) -> Span {
    tracing::info_span!(
        "policy.check",
        policy.name = revision.prepared.name.as_str(),
        policy.version = &*revision.manifest.version,
        policy.digest = format_args!("{:.12}", revision.prepared.digest),
        policy.generation = generation.0,
        policy.mode = mode.as_str(),
        policy.again = field::Empty,
        policy.verdict = field::Empty,
        policy.code = field::Empty,
        policy.dry_run = field::Empty,
        policy.wasm_us = field::Empty,
        policy.guest_us = field::Empty,
        policy.memory = field::Empty,
        policy.host_calls = field::Empty,
        policy.log_dropped = field::Empty,
        error.type = field::Empty,
        otel.status_code = field::Empty,
    )
}

/// One policy is told of an outcome or a delivery report.
pub(crate) fn report(revision: &Revision, generation: Generation) -> Span {
    tracing::info_span!(
        "policy.report",
        policy.name = revision.prepared.name.as_str(),
        policy.generation = generation.0,
    )
}

/// A policy is compiled and tried.
pub(crate) fn load(policy: &PolicyName, digest: Digest) -> Span {
    tracing::info_span!(
        "policy.load",
        policy.name = %policy,
        policy.digest = format_args!("{digest:.12}"),
    )
}

/// Writes down in `span` what was decided about a message with this text.
pub(crate) fn decided(span: &Span, decision: &Decision, text: &str, log_dropped: u32) {
    if span.is_disabled() {
        return;
    }
    span.record("policy.verdict", decision.verdict.as_str());
    span.record("policy.wasm_us", u64::try_from(decision.elapsed.as_micros()).unwrap_or(u64::MAX));
    span.record("policy.guest_us", u64::try_from(decision.guest.as_micros()).unwrap_or(u64::MAX));
    span.record("policy.memory", decision.memory);
    span.record("policy.host_calls", decision.host_calls);
    if log_dropped > 0 {
        span.record("policy.log_dropped", log_dropped);
    }
    match &decision.verdict {
        Verdict::Rejected(rejection) => {
            span.record("policy.code", rejection.code.as_str());
        }
        Verdict::Failed { kind, .. } => {
            span.record("error.type", *kind);
            span.record("otel.status_code", "ERROR");
        }
        Verdict::Accepted | Verdict::Amended(_) => {}
    }
    for note in &decision.notes {
        tracing::event!(
            name: "policy.note",
            target: "policy.note",
            parent: span,
            Level::INFO,
            note.key = note.key.as_str(),
            note.value = without(text, &note.value),
            note.shown = note.shown,
        );
    }
}

/// Writes down that a candidate decides otherwise.
pub(crate) fn differs(policy: &PolicyName, difference: &Difference) {
    let kinds: Vec<&str> = difference.kinds.iter().map(|kind| kind.as_str()).collect();
    tracing::event!(
        name: "policy.difference",
        target: "policy.difference",
        Level::INFO,
        policy.name = policy.as_str(),
        difference.kinds = kinds.join(" "),
        policy.verdict = difference.in_force.verdict,
        policy.codes = difference.in_force.codes.join(" "),
        candidate.verdict = difference.candidate.verdict,
        candidate.codes = difference.candidate.codes.join(" "),
    );
}
