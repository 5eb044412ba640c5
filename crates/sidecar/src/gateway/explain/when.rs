//! When a message could be sent that is refused now, and what about it would have to be otherwise.
//!
//! Nothing is worked out from codes: whatever is told has been tried, by asking the policies in a dry run about that
//! message at that instant. It holds if nothing else is sent before.

use std::time::Duration;

use message::{Message, Timestamp};
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::super::refusal::Refusal;
use super::super::shown::instant;
use super::super::{Call, Gateway};
use super::edit::{Edit, Size, edits, sizes};
use super::foresee::{Foreseen, Found};

/// Most times that the policies are asked for the ways of one request.
const RUNS: u32 = 256;
/// Most instants that are tried for one message: each is the one before which a policy has said that it refuses.
const STEPS: u32 = 16;
/// How far ahead is looked; no window of a limit and no month is longer.
const HORIZON: Duration = Duration::from_secs(32 * 86_400);

/// A way on which a message would pass.
pub(super) struct Way {
    /// When the app would have to ask.
    ask: Timestamp,
    /// When it would be sent then.
    sent: Timestamp,
    /// How it would have to be otherwise.
    edit: Option<Edit>,
}

/// How often the policies may still be asked for one request.
pub(super) struct Runs(u32);

/// One message whose ways are looked for.
pub(super) struct Search<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) call: &'a Call,
    pub(super) found: Found<'a>,
    pub(super) message: &'a Message,
    pub(super) runs: &'a mut Runs,
}

impl Runs {
    pub(super) fn new() -> Self {
        Self(RUNS)
    }

    fn take(&mut self) -> bool {
        let left = self.0 > 0;
        self.0 -= u32::from(left);
        left
    }
}

impl Way {
    /// The way of a message that passes as it is.
    pub(super) fn open(ask: Timestamp, sent: Timestamp) -> Self {
        Self { ask, sent, edit: None }
    }

    pub(super) fn to_json(&self) -> Value {
        let mut body = json!({"ask_at": instant(self.ask), "sent_at": instant(self.sent)});
        if let Some(edit) = &self.edit {
            body["change"] = edit.to_json();
        }
        body
    }
}

impl Search<'_> {
    /// The ways of a message that was refused so: as it is and later, and with one change, where that is sooner.
    pub(super) async fn ways(&mut self, now: Timestamp, refusal: &Refusal) -> Vec<Way> {
        let mut ways: Vec<Way> = Vec::new();
        if let Some((ask, sent)) = self.later(self.message, now, refusal).await {
            ways.push(Way { ask, sent, edit: None });
        }
        let unchanged = ways.first().map(|way| way.ask);
        let senders = self.call.app.senders.as_deref().unwrap_or_default();
        let mut tried = edits(self.message, refusal.code(), senders);
        for size in sizes(self.message, refusal.code()) {
            tried.extend(self.fitting(size).await);
        }
        for edit in tried {
            let changed = edit.of(self.message);
            let way = match self.ask(&changed, Duration::ZERO).await {
                Some(Foreseen { sent: Ok(sent), .. }) => Some((now, sent)),
                Some(Foreseen { sent: Err(refusal), .. }) => {
                    self.later(&changed, now, &refusal).await
                }
                None => None,
            };
            if let Some((ask, sent)) = way.filter(|(ask, _)| unchanged.is_none_or(|at| *ask < at)) {
                ways.push(Way { ask, sent, edit: Some(edit) });
            }
        }
        ways
    }

    /// When `message` passes, from the instant on that its refusal names.
    async fn later(
        &mut self,
        message: &Message,
        now: Timestamp,
        refusal: &Refusal,
    ) -> Option<(Timestamp, Timestamp)> {
        let mut ahead = wait(refusal)?;
        for _ in 0..STEPS {
            if ahead > HORIZON {
                return None;
            }
            match self.ask(message, ahead).await?.sent {
                Ok(sent) => return Some((now.after(ahead), sent)),
                Err(refusal) => ahead += wait(&refusal)?,
            }
        }
        None
    }

    /// The change of the message's size that is the smallest one with which it passes at once; none where no size does,
    /// and where it is not the size that is refused.
    async fn fitting(&mut self, size: Size) -> Option<Edit> {
        if let Some(other) = size.same(self.message)
            && self.passes(&other).await
        {
            return None;
        }
        let (mut fits, mut refused) = size.bounds(self.message)?;
        if !self.passes(&size.edit(fits).of(self.message)).await {
            return None;
        }
        while fits.abs_diff(refused) > 1 {
            let middle = u32::midpoint(fits, refused);
            if self.passes(&size.edit(middle).of(self.message)).await {
                fits = middle;
            } else {
                refused = middle;
            }
        }
        Some(size.edit(fits))
    }

    async fn passes(&mut self, message: &Message) -> bool {
        self.ask(message, Duration::ZERO).await.is_some_and(|foreseen| foreseen.sent.is_ok())
    }

    /// Asks once more, without a trace: a hundred dry runs would bury the one that was asked for.
    async fn ask(&mut self, message: &Message, ahead: Duration) -> Option<Foreseen> {
        if !self.runs.take() {
            return None;
        }
        let asked = self.gateway.foresee(self.call, message.clone(), self.found, ahead);
        asked.with_subscriber(NoSubscriber::default()).await.ok()
    }
}

/// How long the refusal lasts, where it says so; a policy that failed foretells nothing.
fn wait(refusal: &Refusal) -> Option<Duration> {
    match refusal {
        Refusal::PolicyFailed { .. } => None,
        // Not nothing, or the search would stand still.
        other => other.retry_after().map(|wait| wait.max(Duration::from_millis(1))),
    }
}
