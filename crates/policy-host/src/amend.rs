//! A policy's changes applied, as far as the operator lets it.

use message::answer::{Amendment, Edit, Terms, amended};
use message::facts::Facts;
use message::{Change, Message, Timestamp};

use crate::{Grant, Grants, PolicyFailure};

/// A message as a policy changed it, its facts found out anew.
#[derive(Debug)]
pub(crate) struct Amended {
    pub(crate) message: Message,
    pub(crate) facts: Facts,
    pub(crate) changes: Vec<Change>,
    /// The code of the last change that puts it off, where one does.
    pub(crate) put_off_by: Option<String>,
}

/// Applies `changes` to a copy of `message`, at the instant of the decision.
///
/// # Errors
///
/// [`PolicyFailure::IllegalAmend`] without the grant, and where the message would not be fit to send afterwards.
pub(crate) fn apply(
    (grants, now): (Grants, Timestamp),
    message: &Message,
    facts: &Facts,
    changes: Vec<Amendment>,
) -> Result<Amended, PolicyFailure> {
    let (amend, recipient) = (Grant::Amend, Grant::AmendRecipient);
    let terms = Terms { amend: grants.contains(amend), recipient: grants.contains(recipient), now };
    let (message, facts) = amended(message, facts, &changes, terms)?;
    let puts_off = |edit: &Edit| matches!(edit, Edit::SetNotBeforeMs(_));
    let put_off_by = changes.iter().rfind(|amendment| amendment.edits.iter().any(puts_off));
    let put_off_by = put_off_by.map(|amendment| amendment.change.code.clone());
    let changes = changes.into_iter().map(|amendment| amendment.change).collect();
    Ok(Amended { message, facts, changes, put_off_by })
}
