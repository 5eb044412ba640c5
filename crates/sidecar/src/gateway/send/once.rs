//! The same request again: its answer again, and no second send (messaging.md 3.2 A).

mod among;
mod ending;
mod freed;
mod kept;
mod same;

use std::sync::Arc;
use std::time::Duration;

use message::{MessageId, Timestamp};
use store::{Claim, ClaimGuard, Fingerprint, KeptAnswer, KeyRow, Secret, StoreError};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::among::Among;
pub(super) use self::ending::Came;
use self::kept::{replay, stored, without_numbers};
use self::same::{fingerprint, resend_key};
use super::super::answer::{Answer, Door};
use super::super::order::Order;
use super::super::refusal::{Plain, Refusal};
use super::super::{Call, Gateway, now};
use super::clear::Seated;
use super::sole::Sole;
use crate::config::PhoneForm;
use crate::shared::{KeyLease, Unconfirmed};

/// Within this time an equal request on Plivo's door is the same request again: Java's and PHP's HTTP clients post
/// twice, without telling, when a kept connection is closed on them (plivo-api.md 7.4).
const RESEND_WINDOW: Duration = Duration::from_secs(5);

/// How often a key in flight at another replica is asked for.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Shortest time after which there may be room for a key again.
const ROOM_AGAIN: Duration = Duration::from_secs(5);

/// What makes a request the same request again.
pub(super) struct Once {
    key: String,
    fingerprint: Fingerprint,
    /// Shorter than the store's own retention, where it is the request's body that stands for a key.
    window: Option<Duration>,
}

/// A key that is this request's now, or the answer that it had before.
pub(super) enum Claimed {
    /// None for a request without one; with its message where that has a seat by then.
    New(Option<Held>, Option<Box<Seated>>),
    Replay(Answer),
}

/// A key that is this request's now: here, and among replicas where they share keys.
pub(super) struct Held {
    guard: ClaimGuard,
    lease: Option<Arc<KeyLease>>,
    once: Once,
}

/// Whether messages that are recorded may be sent.
pub(super) enum Confirmed {
    /// They may, once what is given here is confirmed.
    Ours(Option<Unconfirmed>),
    /// Another replica answers for their key.
    Others,
}

impl Once {
    /// By the key `given`, else on Plivo's door by the body itself.
    ///
    /// The request counts as its app wrote it down, brought to one form: before the configuration fills in a sender or
    /// refuses one, so that the same request is known again whatever was reloaded since. Of the app only its reading of
    /// numbers counts: to a lenient one, two spellings of a number are the same.
    pub(super) fn of(
        given: Option<String>,
        door: Door,
        body: &[u8],
        order: &Order,
        phone: PhoneForm,
        secret: &Secret,
    ) -> Option<Self> {
        let (key, window) = match given {
            Some(key) => (key, None),
            None if door == Door::Plivo => (resend_key(secret, body), Some(RESEND_WINDOW)),
            None => return None,
        };
        Some(Self { key, fingerprint: fingerprint(secret, door, order, phone), window })
    }

    /// Whether an app asked for it by name, and so must be told when it cannot be kept.
    fn is_asked_for(&self) -> bool {
        self.window.is_none()
    }
}

impl Held {
    /// The key.
    pub(super) fn key(&self) -> &str {
        &self.once.key
    }
}

impl Gateway {
    /// Claims the request's key, where it has one; waits a while for an equal request in flight. What the policies of a
    /// `sole` message will ask is asked with the first claim.
    ///
    /// # Errors
    ///
    /// `idem.mismatch`, `idem.in_progress`, `idem.full` where no more keys can be kept, `idem.unavailable` where the
    /// others cannot be asked.
    pub(super) async fn claim(
        &self,
        call: &Call,
        once: Option<Once>,
        door: Door,
        deadline: Instant,
        mut sole: Option<Sole<'_>>,
    ) -> Result<Claimed, Refusal> {
        let Some(once) = once else { return Ok(Claimed::New(None, None)) };
        // Plivo's SDKs have no patience for a 409 in between: there the first request's whole time is waited.
        let most = match door {
            Door::Plivo => deadline,
            Door::Native | Door::Seed => Instant::now() + call.in_force.delivery.join,
        };
        loop {
            let (app, print) = (&call.app.name, once.fingerprint.clone());
            let claim = match once.is_asked_for() {
                true => self.store.claim(app, &once.key, print, now()).await,
                false => self.store.claim_briefly(app, &once.key, print, now()).await,
            };
            let claim = match claim {
                // A resend that cannot be told is no reason to refuse everybody's sends.
                Err(StoreError::KeysFull) if !once.is_asked_for() => {
                    return Ok(Claimed::New(None, None));
                }
                Err(StoreError::KeysFull) => return Err(self.keys_full().await.into()),
                Err(_) => return Err(Plain::StoreAway.into()),
                Ok(claim) => claim,
            };
            match claim {
                Claim::New(guard) => match self.among_replicas(call, &once, sole.take()).await? {
                    Among::Ours(lease, seated) => {
                        let lease = lease.map(Arc::new);
                        return Ok(Claimed::New(Some(Held { guard, lease, once }), seated));
                    }
                    Among::Answered(answer) => return Ok(Claimed::Replay(answer)),
                    Among::Freed => drop(guard),
                    Among::InFlight { left, unlike } => {
                        drop(guard);
                        let soon = Instant::now() + left.min(ASK_AGAIN);
                        if soon > most {
                            let why = unlike.map_or(Plain::KeyInProgress, Plain::KeyMismatch);
                            return Err(why.into());
                        }
                        sleep_until(soon).await;
                    }
                },
                Claim::Replay(stored) => return Ok(Claimed::Replay(replay(stored))),
                Claim::Mismatch { fields } => {
                    return Err(Plain::KeyMismatch(fields).into());
                }
                Claim::Unlike { other, fields } => {
                    if timeout_at(most, other.settled()).await.is_err() {
                        return Err(Plain::KeyMismatch(fields).into());
                    }
                }
                Claim::InFlight(other) => {
                    if timeout_at(most, other.settled()).await.is_err() {
                        return Err(Plain::KeyInProgress.into());
                    }
                }
            }
        }
    }

    /// There is room again when the next key ends.
    pub(super) async fn keys_full(&self) -> Plain {
        let now = now();
        let next = self.store.next_key_end(now).await.ok().flatten();
        Plain::KeysFull(next.map_or(ROOM_AGAIN, |end| end.since(now)).max(ROOM_AGAIN))
    }

    /// An answer as the operator has it kept.
    fn kept(&self, answer: store::StoredAnswer) -> store::StoredAnswer {
        if self.store.keeps_numbers() { answer } else { without_numbers(answer) }
    }

    /// What binds the key in the transaction that makes the messages ours: the answer as it would be now, kept for the
    /// store's retention from `start`, when the last of them may be sent, and at least until they are `settled`.
    pub(super) fn binding(
        &self,
        held: &Held,
        answer: &Answer,
        id: &MessageId,
        start: Timestamp,
        settled: Timestamp,
    ) -> Option<KeyRow> {
        // The store keeps an answer for its retention from `from`; an earlier `from` is a shorter window.
        let short = |window| now().after(window).before(self.store.key_retention());
        let (from, until) = match held.once.window.map(short) {
            Some(from) => (from, from),
            None => (start, settled),
        };
        match self.store.key_row(&held.guard, self.kept(stored(answer, id)), from, until) {
            Ok(row) if held.lease.is_some() => Some(row.among_replicas()),
            Ok(row) => Some(row),
            Err(err) => {
                tracing::error!(error = %err, message.id = %id, "an answer cannot be kept under its key");
                None
            }
        }
    }

    /// Binds the key among replicas to messages that are recorded here and not yet sent.
    pub(super) async fn confirm(&self, call: &Call, held: &Held, bound: &KeyRow) -> Confirmed {
        let Some(lease) = &held.lease else { return Confirmed::Ours(None) };
        match lease.bind(bound.answer(), bound.ends().since(now())).await {
            Ok(true) => {
                // Rides on the next commit: lost, it is asked for again after a restart.
                drop(self.store.confirmed(
                    &call.app.name,
                    held.key(),
                    bound.answer().message.as_ref(),
                ));
                Confirmed::Ours(None)
            }
            Ok(false) => Confirmed::Others,
            Err(err) => {
                tracing::error!(error = %err, "a key could not be bound among replicas; its messages wait until it is");
                let kept = KeptAnswer {
                    fingerprint: held.once.fingerprint.clone(),
                    answer: bound.answer().clone(),
                    ends: bound.ends(),
                    confirmed: false,
                };
                let lease = Arc::clone(lease);
                let unconfirmed = Unconfirmed::of_request(lease, &call.app.name, held.key(), kept);
                Confirmed::Ours(Some(unconfirmed))
            }
        }
    }
}
