//! The way of one send, as one straight list.

mod clear;
mod once;
mod relay;

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use message::{MessageId, Timestamp};
use store::{KeyRow, Status};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument as _, Span};

use self::clear::{Wishes, provisional};
use self::once::{Came, Claimed, Confirmed, Held, Once};
use super::answer::{Answer, Door, Verdict};
use super::order::Order;
use super::prefer::patience;
use super::refusal::{Plain, Refusal};
use super::submission::Submission;
use super::{Call, Gateway, idempotency_key, now};
use crate::delivery::{Acceptance, News, Ready};

pub(super) use self::clear::{candidate, probed, unsendable};

/// By when a last call in doubt is settled after its message's time: `settle_s` has at most an hour, and the list may
/// have to be asked twice.
const SETTLING: Duration = Duration::from_secs(2 * 60 * 60);

/// A request understood, and what its headers ask for.
struct Asked {
    door: Door,
    order: Order,
    once: Option<Once>,
    wait: Duration,
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
        request: Request<Incoming>,
    ) -> Result<Answer, Refusal> {
        if self.draining.is_cancelled() {
            return Err(Plain::Draining.into());
        }
        let asked = self.ask(door, &call, request).await?;
        let tracker = self.in_flight.clone();
        let decided = tracker
            .spawn(async move { self.decide(call, asked).await }.instrument(Span::current()));
        // A connection that just ended would make some clients send again; an answer does not.
        let answer = decided.await.unwrap_or_else(|err| {
            tracing::error!(error = %err, "a request ended in a panic");
            Err(Plain::Internal.into())
        });
        store::fail::point("answer.begin");
        answer
    }

    async fn ask(
        &self,
        door: Door,
        call: &Call,
        request: Request<Incoming>,
    ) -> Result<Asked, Refusal> {
        let headers = request.headers().clone();
        let bytes = self.body(request).await?;
        let order = door.read(&bytes)?;
        let given = idempotency_key(&headers)?;
        if given.is_none() && call.app.require_idempotency_key && door != Door::Plivo {
            return Err(Plain::KeyRequired.into());
        }
        let delivery = &call.in_force.delivery;
        let once = Once::of(given, door, &bytes, &order, call.app.phone, self.store.secret());
        let most = if door == Door::Plivo { delivery.compat_wait } else { delivery.wait };
        Ok(Asked { door, order, once, wait: patience(&headers, most) })
    }

    async fn decide(&self, call: Call, asked: Asked) -> Result<Answer, Refusal> {
        let deadline = Instant::now() + asked.wait;
        let claimed = match &asked.once {
            Some(once) => match self.claim(&call, once, asked.door, deadline).await {
                Ok(Claimed::Replay(answer)) => return Ok(answer),
                Ok(Claimed::New(held)) => Some((held, once)),
                // A resend that cannot be told is no reason to refuse everybody's sends.
                Err(Refusal::Plain(Plain::KeysFull)) if !once.is_asked_for() => None,
                Err(refusal) => return Err(refusal),
            },
            None => None,
        };
        let submission = Submission::of(asked.order, &call.app, &call.in_force.plivo, call.now)?;
        let Submission { drafts, many, unknown_fields, log, trackable, dlt, callback_method } =
            submission;
        let idempotency_key = claimed.as_ref().map(|(_, once)| once.key().to_owned());
        let wishes = Wishes {
            door: asked.door,
            probes: probed(&call, &drafts).await,
            unknown_fields,
            log,
            trackable,
            dlt,
            callback_method,
            idempotency_key,
        };
        let decided = self.clear_all(&call, drafts, &wishes).await;
        let (mut verdicts, ready) = provisional(decided);
        let starts = ready.iter().filter_map(|(_, ready)| ready.start());
        let start = starts.max().unwrap_or(call.now);
        let last = ready.iter().map(|(_, ready)| ready.deadline()).max().unwrap_or(call.now);
        let first = ready.first().map(|(_, ready)| ready.id().clone());
        let Some(id) = first else {
            noted(&verdicts);
            let answer = asked.door.answer(&verdicts, many);
            let mut earlier = verdicts.iter().filter_map(|verdict| verdict.outcome.as_ref().ok());
            if let (Some(claimed), Some(first)) = (claimed, earlier.next()) {
                let which = (&first.id, earlier.next().is_some());
                self.keep_for_earlier(&call, claimed, &answer, which).await?;
            }
            return Ok(answer);
        };
        let by_plivo = asked.door == Door::Plivo;
        let own_alone = verdicts.iter().filter(|each| each.outcome.is_ok()).count() == ready.len();
        let binding = claimed.as_ref().and_then(|(held, once)| {
            let answer = asked.door.answer(&verdicts, many);
            let row = self.binding(held, once, &answer, &id, start, last.after(SETTLING))?;
            let row = if own_alone { row } else { row.about_others_too() };
            Some(if by_plivo { row.telling_own_ids() } else { row })
        });
        let (places, ready): (Vec<usize>, Vec<Ready>) = ready.into_iter().unzip();
        let ends = binding.as_ref().map_or(last, KeyRow::ends);
        let held = claimed.map(|(held, _)| held);
        let mut bound = binding.is_some();
        match self.accept(&call, ready, binding, held.as_ref()).await {
            Ok(acceptances) => {
                for (place, acceptance) in places.iter().zip(acceptances) {
                    verdicts[*place].hear(acceptance, deadline).await;
                }
            }
            Err(not) => {
                bound &= not.may_be_bound();
                for place in &places {
                    verdicts[*place].outcome = Err(not.clone().into());
                }
            }
        }
        noted(&verdicts);
        if by_plivo {
            self.note_own_ids(&verdicts);
        }
        let answer = asked.door.answer(&verdicts, many);
        match held {
            Some(held) if verdicts.iter().any(Verdict::is_worth_keeping) => {
                let named = if by_plivo { named(&verdicts, &places) } else { Vec::new() };
                let nothing = verdicts.iter().all(|verdict| verdict.outcome.is_err());
                let came = if nothing { Came::ToNothing } else { Came::ToMessages };
                self.keep(held, &answer, &id, (came, ends), named).await;
            }
            // Nothing was sent, nothing will be, and asking again may help: under this key, too.
            Some(held) => self.let_go(&call, held, Some(&id).filter(|_| bound)).await,
            None => {}
        }
        Ok(answer)
    }

    /// On Plivo's door our id stands for Plivo's where that is not known yet; what is told later goes by the same id.
    fn note_own_ids(&self, verdicts: &[Verdict]) {
        let owned = verdicts.iter().filter_map(|verdict| verdict.outcome.as_ref().ok());
        for owned in owned.filter(|owned| owned.message_uuid.is_none()) {
            drop(self.store.told_own_id(&owned.id));
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
        let recorded =
            recorded.map_err(|err| NotAccepted::Unrecorded(Plain::by_the_store(&err)))?;
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

impl Verdict {
    /// Waits for Plivo's first answer until `deadline`.
    async fn hear(&mut self, acceptance: Acceptance, deadline: Instant) {
        let Ok(owned) = &mut self.outcome else { return };
        let mut progress = acceptance.progress;
        // Past the deadline, the latest news is the answer; before the message's own start there will be none.
        let deadline = acceptance.start.map_or(deadline, |start| deadline_before(start, deadline));
        drop(timeout_at(deadline, progress.wait_for(|news| !news.is_open())).await);
        let news = progress.borrow().clone();
        match news {
            News::Open(status) | News::Ended(status) => owned.status = status,
            News::Submitted(uuid) => {
                owned.status = Status::Submitted;
                owned.message_uuid = Some(uuid);
            }
            News::Refused(code) => {
                self.outcome = Err(Refusal::Upstream { id: owned.id.clone(), code });
            }
        }
    }
}

/// `deadline`, or now where nothing can be heard before `start`.
fn deadline_before(start: Timestamp, deadline: Instant) -> Instant {
    let at_once = Instant::now();
    if at_once + start.since(now()) > deadline { at_once } else { deadline }
}

/// The messages at `places` whose Plivo's ids are told.
fn named(verdicts: &[Verdict], places: &[usize]) -> Vec<MessageId> {
    let ours = places.iter().filter_map(|place| verdicts[*place].outcome.as_ref().ok());
    ours.filter(|owned| owned.message_uuid.is_some()).map(|owned| owned.id.clone()).collect()
}

/// Notes a refusal in the request's span.
fn noted(verdicts: &[Verdict]) {
    for refusal in verdicts.iter().filter_map(|verdict| verdict.outcome.as_ref().err()) {
        Span::current().record("sendgate.code", refusal.code());
    }
}
