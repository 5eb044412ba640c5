//! Messages that handsets send: from whoever brings them to the policies, which alone hear of them.

use std::time::SystemTime;

use message::{E164, Fault, MessageId, Note, Sender};
use policy_host::{Afterwards, Inbound as Told, PolicyChain, PolicyFailure, PolicyName};
use serde_json::{Value, json};
use store::{Store, StoreError};
use thiserror::Error;
use uuid::Uuid;

/// Most bytes of a text; Plivo's longest has 1,600 characters.
const TEXT_BYTES: usize = 8_192;

/// A message from a handset. Its `Debug` would show a number and a text, so it has none.
pub(crate) struct Inbound {
    /// Plivo's id, or one of ours.
    pub(crate) id: MessageId,
    sender: E164,
    /// None where it is meant for every sender.
    to: Option<Sender>,
    text: String,
}

/// Why a message, or a report, was not taken.
#[derive(Debug, Error)]
pub(crate) enum NotTaken {
    #[error("the policy `{0}` could not take it: {1}")]
    Failed(PolicyName, PolicyFailure),
    #[error("it could not be written down: {0}")]
    Unwritten(StoreError),
}

impl Inbound {
    /// # Errors
    ///
    /// What is no number, no sender, or too long; pointers are those of `POST /v1/inbound`.
    pub(crate) fn read(sender: &str, to: Option<&str>, text: String) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let sender = E164::parse(sender, "/from").map_err(|fault| faults.push(fault)).ok();
        let to =
            to.and_then(|to| Sender::parse_any(to, "/to").map_err(|fault| faults.push(fault)).ok());
        if text.len() > TEXT_BYTES {
            let detail = format!("has {} bytes; at most {TEXT_BYTES} are taken", text.len());
            faults.push(Fault::new("/text", "text.too_long", detail));
        }
        match sender {
            Some(sender) if faults.is_empty() => {
                Ok(Self { id: MessageId(Uuid::now_v7().to_string().into()), sender, to, text })
            }
            _ => Err(faults),
        }
    }

    /// What it was sent to, where that is one sender.
    #[cfg(test)]
    pub(crate) fn to(&self) -> Option<&Sender> {
        self.to.as_ref()
    }

    /// Tells the policies, and returns what they made of it, which is on disk by then.
    ///
    /// # Errors
    ///
    /// A policy could not take it, or it could not be written down; it may be told again.
    pub(crate) async fn tell(
        &self,
        chain: &PolicyChain,
        store: &Store,
        app: &str,
        door: &str,
    ) -> Result<Vec<Note>, NotTaken> {
        let about = Afterwards { id: &self.id, app, door, now: SystemTime::now().into() };
        let to = self.to.as_ref().map(Sender::as_str).unwrap_or_default();
        let told = Told { sender: &self.sender, to, text: &self.text };
        let made = chain.tell_inbound(about, told).await;
        let made = made.map_err(|(policy, failure)| {
            tracing::error!(policy = %policy, failure = %failure, door, "a policy could not take a handset's message");
            NotTaken::Failed(policy, failure)
        })?;
        store.remembered().await.map_err(NotTaken::Unwritten)?;
        for note in &made {
            tracing::info!(
                policy.name = note.policy,
                code = note.key,
                door,
                message.id = %self.id,
                sender = self.sender.masked(),
                "a policy took a handset's message: {}",
                note.value
            );
        }
        Ok(made)
    }
}

/// What the policies made of a message, as it is told to whoever brought it.
pub(crate) fn remarks(made: &[Note]) -> Value {
    let shown = made.iter().filter(|note| note.shown);
    let remarks =
        shown.map(|note| json!({"policy": note.policy, "code": note.key, "detail": note.value}));
    json!({"remarks": remarks.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_found_at_once() {
        let found = Inbound::read("4155550123", Some("?"), "x".repeat(TEXT_BYTES + 1));
        let faults = found.err().unwrap();
        let found: Vec<_> =
            faults.iter().map(|fault| (fault.pointer.as_str(), fault.code.as_str())).collect();
        assert_eq!(
            found,
            [("/from", "phone.not_e164"), ("/to", "sender.invalid"), ("/text", "text.too_long")]
        );
        assert!(Inbound::read("+14155550123", None, "STOP".into()).is_ok());
    }

    #[test]
    fn only_what_is_shown_is_told() {
        let note = |key: &str, shown| Note {
            policy: "consent".into(),
            key: key.into(),
            value: "v".into(),
            shown,
        };
        let told = remarks(&[note("optout.learned", true), note("inner", false)]);
        assert_eq!(
            told,
            json!({"remarks": [{"policy": "consent", "code": "optout.learned", "detail": "v"}]})
        );
    }
}
