//! The way of one send, as one straight list.

mod clear;
mod once;
mod relay;
mod sending;
mod sole;

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use message::{Fault, MessageId, Timestamp};
use store::{KeyRow, StoreError};
use tokio::time::Instant;
use tracing::Instrument as _;

use self::clear::Wishes;
use self::once::{Claimed, Confirmed, Held, Once};
use self::relay::Told;
use self::sending::{Sending, Span};
use self::sole::Sole;
use super::answer::{Answer, Door};
use super::faults::Faults;
use super::order::Order;
use super::prefer::Preferred;
use super::refusal::{Plain, Refusal};
use super::submission::Submission;
use super::{Call, Gateway, idempotency_key};
use crate::delivery::{Acceptance, Ready};
use crate::listen::Received;
use crate::relay::Waiting;

pub(super) use self::clear::{candidate, coalesced, probed, unsendable};

/// By when a last call in doubt is settled after its message's time: `settle_s` has at most an hour, and the list may
/// have to be asked twice.
const SETTLING: Duration = Duration::from_secs(2 * 60 * 60);

/// A request understood, and what its headers ask for.
struct Asked {
    door: Door,
    order: Order,
    once: Option<Once>,
    preferred: Preferred,
}

/// What a key stands for once messages that came under it were to be ours.
struct Bound {
    /// The first of them.
    first: MessageId,
    /// Until when it is kept.
    ends: Timestamp,
    /// Whether the store may have it.
    is_bound: bool,
}

/// Why cleared messages are not ours.
#[derive(Clone)]
enum NotAccepted {
    /// Nothing was written.
    Unrecorded(Plain),
    /// Another replica answers for their key; they were taken back.
    Elsewhere,
}

impl Gateway {
    /// From a request to its answer. Once it is read and understood it runs to its end even if the caller hangs up:
    /// whether the message went out must not depend on who is still listening.
    pub(super) async fn send(
        self: Arc<Self>,
        door: Door,
        call: Call,
        request: Request<Received>,
    ) -> Result<Answer, Refusal> {
        let asked = self.ask(door, &call, request).await?;
        let applied = asked.preferred.applied.clone();
        let tracker = self.in_flight.clone();
        let decided = tracker.spawn(
            async move { self.decide(call, asked).await }.instrument(tracing::Span::current()),
        );
        // A connection that just ended would make some clients send again; an answer does not.
        let answer = decided.await.unwrap_or_else(|err| {
            tracing::error!(error = %err, "a request ended in a panic");
            Err(Plain::Internal.into())
        });
        store::fail::point("answer.begin");
        // Of this request, and so not of what its key stands for.
        answer.map(|answer| answer.with_applied(applied))
    }

    async fn ask(
        &self,
        door: Door,
        call: &Call,
        request: Request<Received>,
    ) -> Result<Asked, Refusal> {
        let headers = request.headers().clone();
        let bytes = self.body(request).await?;
        let required = call.app.require_idempotency_key && door != Door::Plivo;
        let given = match idempotency_key(&headers) {
            Ok(None) if required => Err(Plain::KeyRequired),
            given => given,
        };
        let (order, given) = match (door.read(&bytes), given) {
            (Ok(order), Ok(given)) => (order, given),
            (Ok(order), Err(plain)) => return Err(faulty(call, door, order, &plain)),
            (Err(mut faults), given) => {
                given.err().into_iter().for_each(|plain| faults.push(plain.fault()));
                return Err(faults.into());
            }
        };
        // It says two things: no answer to one of them is a replay.
        if order.is_ambiguous() {
            judge(call, door, order.clone())?;
        }
        let delivery = &call.in_force.delivery;
        let once = Once::of(given, door, &bytes, &order, call.app.phone, self.store.secret());
        let most = if door == Door::Plivo { delivery.compat_wait } else { delivery.wait };
        Ok(Asked { door, order, once, preferred: Preferred::of(&headers, most) })
    }

    async fn decide(&self, call: Call, asked: Asked) -> Result<Answer, Refusal> {
        let Asked { door, order, once, preferred } = asked;
        let deadline = Instant::now() + preferred.wait;
        let submission = judge(&call, door, order);
        let sole = submission.as_ref().ok().and_then(|order| Sole::of(&call, order, door));
        let (key, seated) = match self.claim(&call, once, door, deadline, sole).await? {
            // What the key knows nothing of has to be well formed all the same; what the configuration allows may be less
            // by now, which takes back nothing.
            Claimed::Replay(answer) => match submission {
                Err(faults) if faults.are_of_form() => return Err(faults.into()),
                _ => return Ok(answer),
            },
            Claimed::New(key, seated) => (key, seated.map(|seated| *seated)),
        };
        let submission = submission?;
        // Only what is new: what was answered before is answered again, or its app would take it for not sent.
        if self.draining.is_cancelled() {
            return Err(Plain::Draining.into());
        }
        if self.memory.exceeded().is_some() {
            return Err(Plain::LowMemory.into());
        }
        let many = submission.many;
        let (drafts, wishes) = Wishes::of(&call, submission, door, key.as_ref()).await;
        let decided = self.clear_all(&call, drafts, seated, &wishes).await;
        let mut sending = Sending::of(decided, door, many);
        let unanswered = Arc::new(self.unanswered.hold(sending.unanswered()));
        let bound = self.accept_all(&call, &mut sending, key.as_ref()).await;
        sending.hear(deadline, &self.hurry).await;
        self.note_own_ids(&sending, Arc::clone(&unanswered));
        let answer = sending.answer();
        self.end(&call, key.zip(Some(unanswered)), bound, &sending, &answer).await?;
        Ok(answer)
    }

    /// Makes ours what is ready, in one transaction with the key; what its key stands for then, none where nothing was
    /// ready.
    async fn accept_all(
        &self,
        call: &Call,
        sending: &mut Sending,
        key: Option<&Held>,
    ) -> Option<Bound> {
        let Span { first, start, last } = sending.span(call.now)?;
        let binding = key.and_then(|held| {
            let answer = sending.answer();
            let row = self.binding(held, &answer, &first, start, last.after(SETTLING))?;
            Some(sending.describe(row))
        });
        let ends = binding.as_ref().map_or(last, KeyRow::ends);
        let is_bound = binding.is_some();
        let accepted = self.accept(call, sending.take_ready(), binding, key).await;
        let is_bound = is_bound && accepted.as_ref().err().is_none_or(NotAccepted::may_be_bound);
        sending.accepted(accepted);
        Some(Bound { first, ends, is_bound })
    }

    /// What the key tells from now on.
    ///
    /// # Errors
    ///
    /// The answer cannot be kept, though the app asked for that by name and nothing new was recorded under the key.
    async fn end(
        &self,
        call: &Call,
        key: Option<(Held, Arc<Waiting>)>,
        bound: Option<Bound>,
        sending: &Sending,
        answer: &Answer,
    ) -> Result<(), Refusal> {
        let Some((held, unanswered)) = key else { return Ok(()) };
        match bound {
            None => match sending.earlier() {
                Some(which) => self.keep_for_earlier(call, held, answer, which).await?,
                // Refused: nothing was bound.
                None => drop(held),
            },
            Some(Bound { first, ends, .. }) if sending.is_worth_keeping() => {
                let came = (sending.came(), ends);
                let named = (sending.told_ids(), Some(unanswered));
                self.keep(held, answer, &first, came, named).await;
            }
            // Nothing was sent, nothing will be, and asking again may help: under this key, too.
            Some(Bound { first, is_bound, .. }) => {
                self.let_go(call, held, Some(&first).filter(|_| is_bound)).await;
            }
        }
        Ok(())
    }

    /// On Plivo's door our id stands for Plivo's where that is not known yet; what is told later goes by the same id.
    fn note_own_ids(&self, sending: &Sending, unanswered: Arc<Waiting>) {
        let noted = sending.told_own_ids().map(|id| self.store.told_own_id(id));
        let noted: Vec<_> = noted.collect();
        if !noted.is_empty() {
            self.in_flight.spawn(async move {
                for noted in noted {
                    drop(noted.await);
                }
                drop(unanswered);
            });
        }
    }

    /// Makes messages ours and sends them on their way, once it is certain that no other replica answers for their key.
    async fn accept(
        &self,
        call: &Call,
        ready: Vec<Ready>,
        key: Option<KeyRow>,
        held: Option<&Held>,
    ) -> Result<Vec<Acceptance>, NotAccepted> {
        let bound = key.clone();
        let recorded = self.delivery.record(ready, key).await;
        let recorded = match recorded {
            Ok(recorded) => recorded,
            // Others were faster with theirs.
            Err(StoreError::KeysFull) => {
                return Err(NotAccepted::Unrecorded(self.keys_full().await));
            }
            Err(err) => return Err(NotAccepted::Unrecorded(Plain::by_the_store(&err))),
        };
        let confirmed = match (held, &bound) {
            (Some(held), Some(bound)) => self.confirm(call, held, bound).await,
            _ => Confirmed::Ours(None),
        };
        match confirmed {
            Confirmed::Ours(unconfirmed) => Ok(self.delivery.go(recorded, unconfirmed)),
            Confirmed::Others => {
                self.delivery.withdraw(recorded).await;
                Err(NotAccepted::Elsewhere)
            }
        }
    }
}

/// What `order` asks for, or every fault of it: each recipient's, too, where the place that is to be called is refused.
pub(super) fn judge(call: &Call, door: Door, order: Order) -> Result<Submission, Faults> {
    let own = uncalled(call, door, &order);
    let plivo = call.in_force.plivo_of(&call.app);
    let judged = Submission::of(order, &call.app, plivo, call.now);
    let Some(own) = own else { return judged };
    let mut faults = judged.map_or_else(|faults| faults, Submission::into_faults);
    if !faults.told().iter().any(|fault| fault.pointer == own.pointer) {
        faults.push(own);
    }
    Err(faults)
}

/// `plain`, with all that is wrong with the order besides: what one recipient of many has, too.
fn faulty(call: &Call, door: Door, order: Order, plain: &Plain) -> Refusal {
    let mut faults = judge(call, door, order).map_or_else(|faults| faults, Submission::into_faults);
    if faults.is_empty() {
        return plain.clone().into();
    }
    faults.push(plain.fault());
    faults.into()
}

/// What is wrong with the place that is to be called.
fn uncalled(call: &Call, door: Door, order: &Order) -> Option<Fault> {
    let (method, callback) = (order.callback_method.as_deref(), order.callback_url.as_ref());
    Told::of(call, door, method, callback.map(|at| at.value.as_str())).err()
}

impl NotAccepted {
    /// Whether its key may be bound here.
    fn may_be_bound(&self) -> bool {
        matches!(self, Self::Elsewhere)
    }
}

impl From<NotAccepted> for Refusal {
    fn from(not: NotAccepted) -> Self {
        match not {
            NotAccepted::Unrecorded(plain) => plain.into(),
            NotAccepted::Elsewhere => Plain::KeyInProgress.into(),
        }
    }
}
