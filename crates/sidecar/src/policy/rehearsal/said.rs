//! A decision of the host's, as cases speak of it.

use std::time::Duration;

use message::Message;
use policy_cases::{Said, Verdict};
use policy_host::{Decision, NotClearedKind, PolicyFailure, Verdict as HostVerdict};

/// What was decided on `message`, and what ended its way.
pub(super) fn of(decision: &Decision, stopped: Option<&NotClearedKind>, message: &Message) -> Said {
    let mut said = Said {
        verdict: Verdict::Accept,
        code: None,
        detail: None,
        retry_after_ms: None,
        earlier: None,
        faults: Vec::new(),
        changes: Vec::new(),
        message: message.clone(),
        notes: decision.notes.clone(),
    };
    match &decision.verdict {
        HostVerdict::Accepted => {}
        HostVerdict::Amended(changes) => {
            said.verdict = Verdict::Amend;
            said.changes = changes.iter().map(|change| change.code.clone()).collect();
        }
        HostVerdict::Rejected(no) => {
            said.verdict = Verdict::Reject;
            said.code = Some(no.code.clone());
            said.detail = Some(no.detail.clone());
            said.retry_after_ms = no.retry_after.map(millis);
            said.earlier = no.earlier.as_ref().map(|id| id.0.to_string());
            said.faults.clone_from(&no.faults);
        }
        HostVerdict::Failed { kind, detail } => {
            said.verdict = Verdict::Failure;
            said.code = Some((*kind).to_owned());
            said.detail = Some(match stopped {
                Some(NotClearedKind::Failed(PolicyFailure::Undecided { kind, detail })) => {
                    format!("{kind}: {detail}")
                }
                Some(NotClearedKind::Failed(
                    PolicyFailure::BadAnswer(what) | PolicyFailure::IllegalAmend(what),
                )) => what.clone(),
                _ => detail.clone(),
            });
        }
    }
    said
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
