//! When a message could be sent that is refused now, and what about it would have to be otherwise.
//!
//! Nothing is worked out from codes: whatever is told has been tried, by asking the policies in a dry run about that
//! message at that instant. It holds if nothing else is sent before.

mod fit;
mod runs;

use std::time::{Duration, Instant};

use message::{Message, Sender, Timestamp};
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::super::refusal::Refusal;
use super::super::shown::instant;
use super::super::{Call, Gateway};
use super::edit::{Edit, SENDERS, edits, sizes};
use super::foresee::Found;

pub(super) use runs::Runs;

/// Most instants that are tried for one message: each is the one before which a policy has said that it refuses.
const STEPS: u32 = 16;
/// How far ahead is looked; no window of a limit and no month is longer.
const HORIZON: Duration = Duration::from_secs(32 * 86_400);
/// An instant that is told is later by this, and by what the ledger's clock has gone on while the ways were looked for, and
/// then brought to the next whole second: nobody is to ask a moment too early.
const MARGIN: Duration = Duration::from_millis(100);
/// Closer together two instants are not told apart.
const APART: Duration = Duration::from_millis(250);
/// A change is told only where it gains at least this.
const GAIN: Duration = Duration::from_secs(2);

/// A way on which a message would pass.
pub(super) struct Way {
    /// When the app would have to ask.
    ask: Timestamp,
    /// When it would be sent then.
    sent: Timestamp,
    /// How it would have to be otherwise: none where as it is.
    edits: Vec<Edit>,
}

/// When a message passes.
struct Open {
    /// When the app would have to ask.
    ask: Timestamp,
    /// When it would be sent then.
    sent: Timestamp,
}

/// One message whose ways are looked for.
pub(super) struct Search<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) call: &'a Call,
    pub(super) found: Found<'a>,
    pub(super) message: &'a Message,
    /// What the app said that it is: its `type`, where it has one.
    pub(super) kind: Option<&'a str>,
    /// Whether its media may stay: else only what leaves them out is tried.
    pub(super) media_fit: bool,
    /// The instant that everything is counted from, and the same by the clock that goes on.
    pub(super) now: Timestamp,
    pub(super) began: Instant,
    pub(super) runs: &'a mut Runs,
}

impl Way {
    /// The way of a message that passes as it is.
    pub(super) fn open(ask: Timestamp, sent: Timestamp) -> Self {
        Self { ask, sent, edits: Vec::new() }
    }

    pub(super) fn to_json(&self, message: &Message) -> Value {
        let mut body = json!({"ask_at": instant(self.ask), "sent_at": instant(self.sent)});
        if !self.edits.is_empty() {
            body["changes"] = self.edits.iter().flat_map(|edit| edit.told(message)).collect();
        }
        body
    }
}

impl Search<'_> {
    /// The ways of a message that was refused so: as it is and later, and with one change, where that is sooner; with two,
    /// where there is no other. None where none was found before there was no asking any more, and where a policy that
    /// fails may yet decide otherwise.
    pub(super) async fn ways(&mut self, refusal: &Refusal) -> Option<Vec<Way>> {
        self.runs.begin();
        let mut ways: Vec<Way> = Vec::new();
        // What is in its way now, and what once that is over.
        let mut codes = Vec::new();
        let open = match refusal {
            // No policy was asked: another `type` may be all that it needs.
            Refusal::Malformed(_) => {
                codes.extend(each_code(refusal));
                match self.media_fit {
                    true => self.open(self.message, &mut codes).await,
                    false => None,
                }
            }
            _ => self.later(self.message, refusal, &mut codes).await,
        };
        ways.extend(open.map(|open| self.way(open, Vec::new())));
        let unchanged = ways.first().map(|way| way.ask);
        let gains = |open: &Open| unchanged.is_none_or(|at| open.ask.after(GAIN) <= at);
        let (message, kind) = (self.message, self.kind);
        let fits = |message: &Message| kind.is_none_or(|kind| kind == message.kind().as_str());
        // Or has the message be what the app's `type` says.
        let is_told =
            |edit: &Edit, open: &Open| gains(open) || !fits(message) && fits(&edit.of(message));
        // The changes that do not help alone, with what is in the way then.
        let mut short = Vec::new();
        let mut edits = each(&codes, |code| edits(self.message, code, self.senders()));
        edits.retain(|edit| self.media_fit || *edit == Edit::WithoutMedia);
        for edit in edits {
            let mut met = Vec::new();
            match self.open(&edit.of(self.message), &mut met).await {
                Some(open) if is_told(&edit, &open) => ways.push(self.way(open, vec![edit])),
                Some(_) => {}
                None => short.push((edit, met)),
            }
        }
        let mut sizes = each(&codes, |code| sizes(self.message, code));
        sizes.retain(|_| self.media_fit);
        for size in sizes {
            let fitting = self.fitting(self.message, size, unchanged.is_some(), gains).await;
            let fitting = fitting.into_iter().map(|(open, edit)| self.way(open, vec![edit]));
            ways.extend(fitting);
        }
        let mut short = short.into_iter();
        while ways.is_empty()
            && let Some((first, met)) = short.next()
        {
            let both = self.another(&first, &met).await.into_iter();
            let both = both.map(|(open, second)| self.way(open, vec![first.clone(), second]));
            ways.extend(both);
        }
        let is_whole = self.runs.are_enough()
            && self.senders().len() <= SENDERS
            && !matches!(refusal, Refusal::PolicyFailed { .. });
        (is_whole || !ways.is_empty()).then_some(ways)
    }

    /// What lets the message pass that has the change `first` already and is refused with these codes: the first change
    /// that does.
    async fn another(&mut self, first: &Edit, codes: &[String]) -> Vec<(Open, Edit)> {
        let message = first.of(self.message);
        for edit in each(codes, |code| edits(&message, code, self.senders())) {
            if edit.is_like(first) {
                continue;
            }
            if let Some(open) = self.open(&edit.of(&message), &mut Vec::new()).await {
                return vec![(open, edit)];
            }
        }
        for size in each(codes, |code| sizes(&message, code)) {
            let fitting = self.fitting(&message, size, false, |_| true).await;
            if !fitting.is_empty() {
                return fitting;
            }
        }
        Vec::new()
    }

    /// The way of the message with these changes, and with the `type` that fits what it is then.
    fn way(&self, open: Open, mut edits: Vec<Edit>) -> Way {
        let changed = edits.iter().fold(self.message.clone(), |message, edit| edit.of(&message));
        let kind = changed.kind();
        if self.kind.is_some_and(|given| given != kind.as_str()) {
            edits.push(Edit::Kind(kind));
        }
        Way { ask: open.ask, sent: open.sent, edits }
    }

    fn senders(&self) -> &[Sender] {
        self.call.app.senders.as_deref().unwrap_or_default()
    }

    /// When `message` passes, at once or later. The codes of all refusals on the way are added to `met`.
    async fn open(&mut self, message: &Message, met: &mut Vec<String>) -> Option<Open> {
        match self.ask(message, Duration::ZERO).await? {
            Ok(sent) => Some(Open { ask: self.now, sent }),
            Err(refusal) => self.later(message, &refusal, met).await,
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
            met.extend(each_code(refusal));
            wait(refusal)
        };
        // The last instant at which it was refused.
        let mut shut = Duration::ZERO;
        let mut ahead = until(refusal)?;
        for _ in 0..STEPS {
            if ahead > HORIZON {
                return None;
            }
            match self.ask(message, ahead).await? {
                Ok(sent) => {
                    let (first, sent) = self.sooner(message, shut, (ahead, sent)).await;
                    let ask = whole_second(self.now.after(first + self.late()));
                    if self.passes(message, ask).await {
                        return Some(Open { ask, sent: sent.max(ask) });
                    }
                    // What is less urgent has its turn by then, and the next opening is later.
                    shut = ask.since(self.now);
                    ahead = shut;
                }
                Err(refusal) => {
                    shut = ahead;
                    ahead += until(&refusal)?;
                }
            }
        }
        self.runs.cut();
        None
    }

    /// The first instant between `shut` and `open` at which `message` passes. What a policy names is how long it would
    /// refuse if it were really asked now; where nobody asks, it may be over before.
    async fn sooner(
        &mut self,
        message: &Message,
        mut shut: Duration,
        mut open: (Duration, Timestamp),
    ) -> (Duration, Timestamp) {
        let mut at = open.0.saturating_sub(APART);
        while open.0.saturating_sub(shut) > APART
            && let Some(sent) = self.ask(message, at).await
        {
            match sent {
                Ok(sent) => open = (at, sent),
                Err(_) => shut = at,
            }
            at = shut + open.0.saturating_sub(shut) / 2;
        }
        open
    }

    /// How much later than it was counted an instant is to be told.
    fn late(&self) -> Duration {
        self.began.elapsed() + MARGIN
    }

    /// Whether `message` passes at the instant `ask`, which is told: a little before it, as no clock is exact.
    async fn passes(&mut self, message: &Message, ask: Timestamp) -> bool {
        // Counted from now, since the ledger's clock has gone on.
        let now = self.now.after(self.began.elapsed());
        let ahead = ask.since(now).saturating_sub(MARGIN);
        self.ask_from(message, (now, ahead)).await.is_some_and(|sent| sent.is_ok())
    }

    async fn ask(
        &mut self,
        message: &Message,
        ahead: Duration,
    ) -> Option<Result<Timestamp, Refusal>> {
        self.ask_from(message, (self.now, ahead)).await
    }

    /// When `message` would be sent, or what refuses it: a change that is tried may leave what the program itself refuses,
    /// which another change may mend. None where there is no asking any more. Without a trace: a hundred dry runs would
    /// bury the one that was asked for.
    async fn ask_from(
        &mut self,
        message: &Message,
        at: (Timestamp, Duration),
    ) -> Option<Result<Timestamp, Refusal>> {
        if !self.runs.take() {
            return None;
        }
        let asked = self.gateway.foresee(self.call, message.clone(), self.found, at);
        let foreseen = asked.with_subscriber(NoSubscriber::default()).await;
        Some(foreseen.and_then(|foreseen| foreseen.sent))
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

/// What stands in the way: of a request that is at fault, every fault.
fn each_code(refusal: &Refusal) -> Vec<String> {
    match refusal {
        Refusal::Malformed(faults) => {
            faults.told().iter().map(|fault| fault.code.clone()).collect()
        }
        other => vec![other.code().to_owned()],
    }
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
