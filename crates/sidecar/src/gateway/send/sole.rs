//! The claim of a key among replicas and what the policies ask there, in one trip.

use message::Foreseen;

use super::super::answer::Door;
use super::super::submission::Submission;
use super::super::{Call, Gateway};
use super::clear::Seated;

/// The only message of a request: what its policies will ask can go with the claim of the request's key. Of a list each
/// message has a trip of its own, since what one is refused is given back before the next is asked about.
pub(super) struct Sole<'a> {
    submission: &'a Submission,
    door: Door,
}

impl<'a> Sole<'a> {
    /// None where there are several, or where media are looked at first: no replay is to cost that.
    pub(super) fn of(call: &Call, submission: &'a Submission, door: Door) -> Option<Self> {
        let [draft] = submission.drafts.as_slice() else { return None };
        let message = draft.message.as_ref().ok()?;
        let is_probed = call.in_force.prober.is_some() && !message.media_urls.is_empty();
        (!is_probed).then_some(Self { submission, door })
    }
}

impl Gateway {
    /// The message with its seat, and what its policies will ask; none where it will be refused before them.
    pub(super) async fn foreseen(
        &self,
        call: &Call,
        sole: Sole<'_>,
    ) -> Option<(Seated, Vec<Foreseen>)> {
        let Sole { submission, door } = sole;
        let message = submission.drafts.first()?.message.clone().ok()?;
        let found = (submission.unknown_fields.as_slice(), [].as_slice());
        let method = submission.callback_method.as_deref();
        let seated = self.seated(call, door, message, found, method).ok()?;
        let foreseen = call.in_force.chain.foresee(seated.candidate()).await;
        Some((seated, foreseen))
    }
}
