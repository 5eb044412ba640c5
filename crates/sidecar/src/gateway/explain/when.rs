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
use super::edit::{Edit, SENDERS, Size, edits, sizes};
use super::foresee::{Foreseen, Found};

/// Most times that the policies are asked for the ways of one request, and of one message of it.
const RUNS: u32 = 2_048;
const RUNS_OF_ONE: u32 = 64;
/// Most instants that are tried for one message: each is the one before which a policy has said that it refuses.
const STEPS: u32 = 16;
/// How far ahead is looked; no window of a limit and no month is longer.
const HORIZON: Duration = Duration::from_secs(32 * 86_400);
/// What the ledger's clock may go on while the ways are looked for. An instant that is told is later by this, and then
/// brought to the next whole second: nobody is to ask a moment too early.
const MARGIN: Duration = Duration::from_millis(100);
/// A change is told only where it gains at least this.
const GAIN: Duration = Duration::from_secs(2);

/// A way on which a message would pass.
pub(super) struct Way {
    /// When the app would have to ask.
    ask: Timestamp,
    /// When it would be sent then.
    sent: Timestamp,
    /// How it would have to be otherwise.
    edit: Option<Edit>,
}

/// When a message passes.
struct Open {
    /// When the app would have to ask.
    ask: Timestamp,
    /// When it would be sent then.
    sent: Timestamp,
}

/// How often the policies may still be asked.
pub(super) struct Runs {
    of_request: u32,
    of_message: u32,
}

/// One message whose ways are looked for.
pub(super) struct Search<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) call: &'a Call,
    pub(super) found: Found<'a>,
    pub(super) message: &'a Message,
    /// The instant that everything is counted from.
    pub(super) now: Timestamp,
    pub(super) runs: &'a mut Runs,
}

impl Runs {
    pub(super) fn new() -> Self {
        Self { of_request: RUNS, of_message: 0 }
    }

    fn take(&mut self) -> bool {
        let left = self.of_request.min(self.of_message) > 0;
        self.of_request -= u32::from(left);
        self.of_message -= u32::from(left);
        left
    }
}

impl Way {
    /// The way of a message that passes as it is.
    pub(super) fn open(ask: Timestamp, sent: Timestamp) -> Self {
        Self { ask, sent, edit: None }
    }

    pub(super) fn to_json(&self, message: &Message) -> Value {
        let mut body = json!({"ask_at": instant(self.ask), "sent_at": instant(self.sent)});
        if let Some(edit) = &self.edit {
            body["change"] = edit.to_json(message);
        }
        body
    }
}

impl Open {
    fn way(self, edit: Option<Edit>) -> Way {
        Way { ask: self.ask, sent: self.sent, edit }
    }
}

impl Search<'_> {
    /// The ways of a message that was refused so: as it is and later, and with one change, where that is sooner. None
    /// where none was found before there was no asking any more.
    pub(super) async fn ways(&mut self, refusal: &Refusal) -> Option<Vec<Way>> {
        self.runs.of_message = RUNS_OF_ONE;
        let mut ways: Vec<Way> = Vec::new();
        // What is in its way now, and what once that is over.
        let mut codes = Vec::new();
        let open = self.later(self.message, refusal, &mut codes).await;
        ways.extend(open.map(|open| open.way(None)));
        let unchanged = ways.first().map(|way| way.ask);
        let gains = |open: &Open| unchanged.is_none_or(|at| open.ask.after(GAIN) <= at);
        let senders = self.call.app.senders.as_deref().unwrap_or_default();
        for edit in each(&codes, |code| edits(self.message, code, senders)) {
            let open = self.open(&edit.of(self.message)).await.filter(gains);
            ways.extend(open.map(|open| open.way(Some(edit))));
        }
        for size in each(&codes, |code| sizes(self.message, code)) {
            ways.extend(self.fitting(size, gains).await);
        }
        let is_whole =
            self.runs.of_request.min(self.runs.of_message) > 0 && senders.len() <= SENDERS;
        (is_whole || !ways.is_empty()).then_some(ways)
    }

    /// When `message` passes, at once or later.
    async fn open(&mut self, message: &Message) -> Option<Open> {
        match self.ask(message, Duration::ZERO).await?.sent {
            Ok(sent) => Some(Open { ask: self.now, sent }),
            Err(refusal) => self.later(message, &refusal, &mut Vec::new()).await,
        }
    }

    /// When `message` passes, from the instant on that its refusal names; none where one is not foretold to end. The codes
    /// of all refusals on the way are added to `met`.
    async fn later(
        &mut self,
        message: &Message,
        refusal: &Refusal,
        met: &mut Vec<String>,
    ) -> Option<Open> {
        let mut until = |refusal: &Refusal| {
            met.push(refusal.code().to_owned());
            wait(refusal)
        };
        let mut ahead = until(refusal)?;
        for _ in 0..STEPS {
            if ahead > HORIZON {
                return None;
            }
            match self.ask(message, ahead).await?.sent {
                Ok(sent) => {
                    let ask = whole_second(self.now.after(ahead + MARGIN));
                    return Some(Open { ask, sent: sent.max(ask) });
                }
                Err(refusal) => ahead += until(&refusal)?,
            }
        }
        None
    }

    /// The way with the smallest change of the message's size, as soon as any size passes; none where no size does, where
    /// nothing is gained, and where it is not the size that is refused.
    async fn fitting(&mut self, size: Size, gains: impl Fn(&Open) -> bool) -> Option<Way> {
        let (mut fits, mut refused) = size.bounds(self.message)?;
        let open = self.open(&size.edit(fits).of(self.message)).await.filter(gains)?;
        let ahead = open.ask.since(self.now);
        if let Some(other) = size.same(self.message)
            && self.passes(&other, ahead).await
        {
            return None;
        }
        while fits.abs_diff(refused) > 1 {
            let middle = u32::midpoint(fits, refused);
            if self.passes(&size.edit(middle).of(self.message), ahead).await {
                fits = middle;
            } else {
                refused = middle;
            }
        }
        Some(open.way(Some(size.edit(fits))))
    }

    async fn passes(&mut self, message: &Message, ahead: Duration) -> bool {
        self.ask(message, ahead).await.is_some_and(|foreseen| foreseen.sent.is_ok())
    }

    /// Asks once more, without a trace: a hundred dry runs would bury the one that was asked for.
    async fn ask(&mut self, message: &Message, ahead: Duration) -> Option<Foreseen> {
        if !self.runs.take() {
            return None;
        }
        let at = (self.now, ahead);
        let asked = self.gateway.foresee(self.call, message.clone(), self.found, at);
        asked.with_subscriber(NoSubscriber::default()).await.ok()
    }
}

/// What `of` makes of each code, each once.
fn each<T: PartialEq>(codes: &[String], of: impl Fn(&str) -> Vec<T>) -> Vec<T> {
    let mut all = Vec::new();
    for one in codes.iter().flat_map(|code| of(code)) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// `at`, or the next whole second after it.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp(at.0.div_ceil(1_000) * 1_000)
}

/// How long the refusal lasts, where it says so; a policy that failed foretells nothing.
fn wait(refusal: &Refusal) -> Option<Duration> {
    match refusal {
        Refusal::PolicyFailed { .. } => None,
        // Not nothing, or the search would stand still.
        other => other.retry_after().map(|wait| wait.max(Duration::from_millis(1))),
    }
}
