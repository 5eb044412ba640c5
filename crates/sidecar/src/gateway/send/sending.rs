//! A request's messages on their way, from the policies' verdicts to Plivo's first answers.

use message::{MessageId, Timestamp};
use store::{KeyRow, Status};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::super::answer::{Answer, Door, Verdict};
use super::super::now;
use super::super::refusal::Refusal;
use super::NotAccepted;
use super::clear::Decided;
use super::once::Came;
use crate::delivery::{Acceptance, News, Ready};
use crate::record::code_of;

/// Every recipient's verdict as it would be if those that are ready were ours already; and these.
pub(super) struct Sending {
    door: Door,
    /// Asked for as a list, so answered as one.
    many: bool,
    verdicts: Vec<Verdict>,
    /// At which places the verdicts stand of those that are ready, or were.
    places: Vec<usize>,
    ready: Vec<Ready>,
    /// What becomes of those that are ours, in the order of `places`.
    acceptances: Vec<Acceptance>,
    /// Of earlier messages that stand for what was asked.
    earlier: Vec<Span>,
}

/// The first of some messages, when the last may be sent, and until when one is worth sending.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) first: MessageId,
    pub(super) start: Timestamp,
    pub(super) last: Timestamp,
}

impl Sending {
    pub(super) fn of(decided: Vec<Decided>, door: Door, many: bool) -> Self {
        let verdicts = Vec::with_capacity(decided.len());
        let (places, ready, acceptances) = (Vec::new(), Vec::new(), Vec::new());
        let earlier = Vec::new();
        let mut sending = Self { door, many, verdicts, places, ready, acceptances, earlier };
        for (place, each) in decided.into_iter().enumerate() {
            sending.verdicts.push(match each {
                Decided::Done(verdict) => verdict,
                Decided::Earlier(verdict, span) => {
                    sending.earlier.push(span);
                    verdict
                }
                Decided::Ready(to, owned, cleared) => {
                    sending.places.push(place);
                    sending.ready.push(*cleared);
                    Verdict { to, outcome: Ok(owned) }
                }
            });
        }
        sending
    }

    /// Of all messages that the answer is about, from the first on that is ready; none where none is.
    pub(super) fn span(&self, now: Timestamp) -> Option<Span> {
        let first = self.ready.first()?.id().clone();
        let start = self.ready.iter().filter_map(Ready::start).max().unwrap_or(now);
        let last = self.ready.iter().map(Ready::deadline).max().unwrap_or(now);
        Some(self.earlier.iter().fold(Span { first, start, last }, Span::and))
    }

    /// Those of which a client of Plivo's is not told yet by which id.
    pub(super) fn unanswered(&self) -> Vec<MessageId> {
        let ready = self.ready.iter().filter(|_| self.door == Door::Plivo);
        ready.map(|ready| ready.id().clone()).collect()
    }

    /// Says in a key's row what its answer is about.
    pub(super) fn describe(&self, row: KeyRow) -> KeyRow {
        let row = if self.earlier.is_empty() { row } else { row.about_others_too() };
        if self.door == Door::Plivo { row.telling_own_ids() } else { row }
    }

    pub(super) fn take_ready(&mut self) -> Vec<Ready> {
        std::mem::take(&mut self.ready)
    }

    /// What was ready is ours now, or is not.
    pub(super) fn accepted(&mut self, accepted: Result<Vec<Acceptance>, NotAccepted>) {
        match accepted {
            Ok(acceptances) => self.acceptances = acceptances,
            Err(not) => {
                for place in &self.places {
                    self.verdicts[*place].outcome = Err(not.clone().into());
                }
            }
        }
    }

    /// Waits for Plivo's first answers until `deadline`, or until there is `hurry`.
    pub(super) async fn hear(&mut self, deadline: Instant, hurry: &CancellationToken) {
        for (place, acceptance) in self.places.iter().zip(std::mem::take(&mut self.acceptances)) {
            self.verdicts[*place].hear(acceptance, deadline, hurry).await;
        }
        // Where nothing was taken the first refusal is the request's.
        if let (Came::ToNothing, Some(Verdict { outcome: Err(refusal), .. })) =
            (self.came(), self.verdicts.first())
        {
            tracing::Span::current().record("sendgate.code", refusal.code());
        }
    }

    pub(super) fn answer(&self) -> Answer {
        self.door.answer(&self.verdicts, self.many)
    }

    /// Of the earlier messages that stand for what was asked, and whether there are several.
    pub(super) fn earlier(&self) -> Option<(Span, bool)> {
        let (first, others) = self.earlier.split_first()?;
        Some((others.iter().fold(first.clone(), Span::and), !others.is_empty()))
    }

    /// Whether a repetition is to be told the same.
    pub(super) fn is_worth_keeping(&self) -> bool {
        self.verdicts.iter().any(Verdict::is_worth_keeping)
    }

    pub(super) fn came(&self) -> Came {
        let nothing = self.verdicts.iter().all(|verdict| verdict.outcome.is_err());
        if nothing { Came::ToNothing } else { Came::ToMessages }
    }

    /// Our messages whose Plivo's ids a client of Plivo's is told.
    pub(super) fn told_ids(&self) -> Vec<MessageId> {
        let places = self.places.iter().filter(|_| self.door == Door::Plivo);
        let ours = places.filter_map(|place| self.verdicts[*place].outcome.as_ref().ok());
        ours.filter(|owned| owned.message_uuid.is_some()).map(|owned| owned.id.clone()).collect()
    }

    /// The messages of which a client of Plivo's is told our ids.
    pub(super) fn told_own_ids(&self) -> impl Iterator<Item = &MessageId> {
        let told = self.verdicts.iter().filter(|_| self.door == Door::Plivo);
        let owned = told.filter_map(|verdict| verdict.outcome.as_ref().ok());
        owned.filter(|owned| owned.message_uuid.is_none()).map(|owned| &owned.id)
    }
}

impl Span {
    fn and(self, other: &Self) -> Self {
        let (start, last) = (self.start.max(other.start), self.last.max(other.last));
        Self { start, last, ..self }
    }
}

impl Verdict {
    /// Waits for Plivo's first answer until `deadline`.
    async fn hear(&mut self, acceptance: Acceptance, deadline: Instant, hurry: &CancellationToken) {
        let Ok(owned) = &mut self.outcome else { return };
        let mut progress = acceptance.progress;
        // Past the deadline, the latest news is the answer; before the message's own start there will be none.
        let deadline = acceptance.start.map_or(deadline, |start| deadline_before(start, deadline));
        let answer = timeout_at(deadline, progress.wait_for(|news| !news.is_open()));
        drop(hurry.run_until_cancelled(answer).await);
        let news = progress.borrow().clone();
        match news {
            News::Open(status) => owned.status = status,
            News::Ended(status, uuid) => (owned.status, owned.message_uuid) = (status, uuid),
            News::Submitted(uuid) => {
                owned.status = Status::Submitted;
                owned.message_uuid = Some(uuid);
            }
            News::Refused { code, wait } => {
                self.outcome = Err(Refusal::Upstream { id: owned.id.clone(), code, wait });
            }
            News::Rejected(policy, mut rejection) => {
                self.to.place(&mut rejection.faults);
                let (id, code) = (owned.id.clone(), code_of(&rejection).into());
                let said = Some((policy, rejection));
                self.outcome = Err(Refusal::RejectedLate { id, code, said });
            }
        }
    }
}

/// `deadline`, or now where nothing can be heard before `start`.
fn deadline_before(start: Timestamp, deadline: Instant) -> Instant {
    let at_once = Instant::now();
    if at_once + start.since(now()) > deadline { at_once } else { deadline }
}
