//! The way of one send, as one straight list.

mod once;
mod relay;

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use message::{Message, MessageId, Rejection, Timestamp, facts};
use plivo_client::Log;
use policy_host::{Candidate, NotCleared, NotClearedKind, Trail};
use store::{KeyRow, Record, Status};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{Instrument as _, Span};

use self::once::{Claimed, Confirmed, Held, Once};
use self::relay::Told;
use super::answer::{Answer, Door, Owned, Verdict};
use super::order::Order;
use super::refusal::{Plain, Refusal, Refuser};
use super::submission::{Draft, Recipient, Submission, change};
use super::{Call, Gateway, idempotency_key, now, patience};
use crate::delivery::{About, Acceptance, News, Ready};

/// Failures of policies after which the other recipients of a request are not asked about: each may take its whole time.
const FAILURES: usize = 3;

/// How long the policies may take over all recipients of one request: what the most impatient clients wait.
const ASKING: Duration = Duration::from_secs(4);

/// A request understood, and what its headers ask for.
struct Asked {
    door: Door,
    order: Order,
    once: Option<Once>,
    wait: Duration,
}

/// What all messages of a request have in common besides their parts.
struct Wishes {
    door: Door,
    unknown_fields: Vec<String>,
    log: Option<Log>,
    trackable: bool,
    callback_method: Option<String>,
    idempotency_key: Option<String>,
}

/// One recipient's message after its policies.
enum Decided {
    /// Refused, or another message stands for it.
    Done(Verdict),
    /// Cleared, and to be recorded.
    Ready(Recipient, Owned, Box<Ready>),
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
        let order = door.read(&bytes).map_err(Refusal::Malformed)?;
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
        let submission = Submission::of(asked.order, &call.app, &call.in_force.plivo, call.now)
            .map_err(Refusal::Malformed)?;
        let Submission { drafts, many, unknown_fields, log, trackable, callback_method } =
            submission;
        let idempotency_key = claimed.as_ref().map(|(_, once)| once.key().to_owned());
        let wishes = Wishes {
            door: asked.door,
            unknown_fields,
            log,
            trackable,
            callback_method,
            idempotency_key,
        };
        let decided = self.clear_all(&call, drafts, &wishes).await;
        let (mut verdicts, ready) = provisional(decided);
        let last = ready.iter().map(|(_, ready)| ready.deadline()).max().unwrap_or(call.now);
        let first = ready.first().map(|(_, ready)| ready.id().clone());
        let Some(id) = first else {
            noted(&verdicts);
            return Ok(asked.door.answer(&verdicts, many));
        };
        let binding = claimed.as_ref().and_then(|(held, once)| {
            self.binding(held, once, &asked.door.answer(&verdicts, many), &id, last)
        });
        let (places, ready): (Vec<usize>, Vec<Ready>) = ready.into_iter().unzip();
        let ends = binding.as_ref().map_or(last, KeyRow::ends);
        let held = claimed.map(|(held, _)| held);
        match self.accept(&call, ready, binding, held.as_ref()).await {
            Ok(acceptances) => {
                for (place, acceptance) in places.into_iter().zip(acceptances) {
                    verdicts[place].hear(acceptance, deadline).await;
                }
            }
            Err(plain) => {
                for place in places {
                    verdicts[place].outcome = Err(plain.clone().into());
                }
            }
        }
        noted(&verdicts);
        if asked.door == Door::Plivo {
            self.note_own_ids(&verdicts);
        }
        let answer = asked.door.answer(&verdicts, many);
        match held {
            Some(held) if verdicts.iter().any(Verdict::is_worth_keeping) => {
                self.keep(held, &answer, &id, ends);
            }
            // Nothing was sent, nothing will be, and asking again may help: under this key, too.
            Some(held) => self.let_go(&call, held, &answer).await,
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
    ) -> Result<Vec<Acceptance>, Plain> {
        let bound = key.clone();
        let recorded =
            self.delivery.record(ready, key).await.map_err(|err| Plain::by_the_store(&err))?;
        let confirmed = match (held, &bound) {
            (Some(held), Some(bound)) => self.confirm(call, held, bound).await,
            _ => Confirmed::Ours(None),
        };
        match confirmed {
            Confirmed::Ours(unconfirmed) => Ok(self.delivery.go(recorded, unconfirmed)),
            Confirmed::Others => {
                self.delivery.withdraw(recorded).await;
                Err(Plain::KeyInProgress)
            }
        }
    }

    /// What the policies say of each recipient's message. Where they fail or are slow, the rest is not asked about: one
    /// request may not keep them, and its caller, for longer than any other.
    async fn clear_all(&self, call: &Call, drafts: Vec<Draft>, wishes: &Wishes) -> Vec<Decided> {
        let (mut decided, mut failures) = (Vec::with_capacity(drafts.len()), 0);
        let enough = Instant::now() + ASKING;
        for draft in drafts {
            let next = if failures < FAILURES && Instant::now() < enough {
                self.clear(call, draft, wishes).await
            } else {
                Decided::refused(draft.to, Plain::NotAsked.into())
            };
            failures += usize::from(next.is_policy_failure());
            decided.push(next);
        }
        decided
    }

    /// The policies' verdict on one message.
    async fn clear(&self, call: &Call, draft: Draft, wishes: &Wishes) -> Decided {
        let Wishes { door, unknown_fields, log, trackable, callback_method, idempotency_key } =
            wishes;
        let door = *door;
        let Draft { to, message, mut changes } = draft;
        let message = match message {
            Ok(message) => message,
            Err(faults) => return Decided::refused(to, Refusal::Malformed(faults)),
        };
        Span::current().record("sendgate.message.id", &*message.id.0);
        let asked_start = message.not_before;
        let told = match Told::of(call, door, callback_method.as_deref(), &message) {
            Ok(told) => told,
            Err(refusal) => return Decided::refused(to, refusal),
        };
        let candidate = match candidate(call, door, message, unknown_fields) {
            Ok(candidate) => candidate,
            Err(refusal) => return Decided::refused(to, refusal),
        };
        let cleared = match call.in_force.chain.clear(candidate).await {
            Ok(cleared) => cleared,
            Err(stopped) => return self.stopped(call, to, *stopped).await,
        };
        changes.extend(cleared.changes().iter().cloned());
        let mut warnings = cleared.warnings().to_vec();
        warnings.extend(told.warning);
        let owned = Owned {
            id: cleared.message().id.clone(),
            to: cleared.message().to.clone(),
            kind: cleared.message().kind(),
            status: Status::Accepted,
            message_uuid: None,
            segments: cleared.facts().text.clone(),
            warnings,
            changes,
            standings: cleared.standings().to_vec(),
        };
        let about = About {
            app: call.app.name.clone(),
            door: door.as_str(),
            asked_start,
            log: *log,
            trackable: *trackable,
            relay: told.relay,
            idempotency_key: idempotency_key.clone(),
            traceparent: telemetry::traceparent(&Span::current()),
        };
        match self.delivery.ready(cleared, about, now()).await {
            Ok(ready) => {
                let to = Recipient { number: Some(owned.to.clone()), ..to };
                Decided::Ready(to, owned, Box::new(ready))
            }
            Err(refusal) => Decided::refused(to, refusal),
        }
    }

    /// A refusal, unless the policy says that an earlier message stands for this one.
    async fn stopped(&self, call: &Call, to: Recipient, stopped: NotCleared) -> Decided {
        let NotCleared { kind, policy, message, trail } = stopped;
        let policy = Refuser::of(&policy, &trail.decisions);
        let refusal = match kind {
            NotClearedKind::Failed(failure) => {
                tracing::error!(policy = policy.name, failure = %failure, kind = failure.as_str(), "a policy could not decide");
                Refusal::PolicyFailed { policy, failure }
            }
            NotClearedKind::Rejected(rejection) => {
                if let Some(owned) = self.coalesced(call, &rejection, &message, &trail).await {
                    return Decided::Done(Verdict { to, outcome: Ok(owned) });
                }
                Refusal::Rejected {
                    policy,
                    rejection: Box::new(rejection),
                    standings: trail.standings,
                }
            }
        };
        Decided::refused(to, refusal)
    }

    /// The record of a message that another request may be about to make: its reservation comes before its record.
    async fn record_of(&self, call: &Call, id: &MessageId) -> Option<Record> {
        let most = Instant::now() + call.in_force.delivery.join;
        loop {
            let found = self.store.get(Some(&call.app.name), id).await.ok().flatten();
            if found.is_some() || Instant::now() >= most {
                return found;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The earlier message that stands for this one, where the policy coalesces and the record is still there.
    async fn coalesced(
        &self,
        call: &Call,
        no: &Rejection,
        message: &Message,
        trail: &Trail,
    ) -> Option<Owned> {
        let earlier = no.earlier.as_ref().filter(|_| no.code == "dup.coalesced")?;
        let record = self.record_of(call, earlier).await?;
        let mut changes = trail.changes.clone();
        changes.push(change(
            "dup.coalesced",
            "an equal message went out a moment ago; this is its record",
        ));
        Some(Owned {
            id: record.id.clone(),
            to: message.to.clone(),
            kind: message.kind(),
            status: record.status,
            message_uuid: record.message_uuid.clone(),
            segments: record.segments.clone(),
            warnings: trail.warnings.clone(),
            changes,
            standings: trail.standings.clone(),
        })
    }
}

impl Decided {
    fn refused(to: Recipient, refusal: Refusal) -> Self {
        Self::Done(Verdict { to, outcome: Err(refusal) })
    }

    fn is_policy_failure(&self) -> bool {
        let Self::Done(verdict) = self else { return false };
        matches!(verdict.outcome, Err(Refusal::PolicyFailed { .. }))
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

/// Every recipient's verdict as it would be if those that are ready were ours already, and at which places these stand.
fn provisional(decided: Vec<Decided>) -> (Vec<Verdict>, Vec<(usize, Ready)>) {
    let (mut verdicts, mut ready) = (Vec::with_capacity(decided.len()), Vec::new());
    for (place, each) in decided.into_iter().enumerate() {
        verdicts.push(match each {
            Decided::Done(verdict) => verdict,
            Decided::Ready(to, owned, cleared) => {
                ready.push((place, *cleared));
                Verdict { to, outcome: Ok(owned) }
            }
        });
    }
    (verdicts, ready)
}

/// Notes a refusal in the request's span.
fn noted(verdicts: &[Verdict]) {
    for refusal in verdicts.iter().filter_map(|verdict| verdict.outcome.as_ref().err()) {
        Span::current().record("sendgate.code", refusal.code());
    }
}

/// What a policy is asked about.
///
/// # Errors
///
/// The structural faults that only the survey of a whole message finds.
pub(super) fn candidate(
    call: &Call,
    door: Door,
    message: Message,
    unknown_fields: &[String],
) -> Result<Candidate, Refusal> {
    let facts = facts::survey(&message, unknown_fields.to_vec()).map_err(Refusal::Malformed)?;
    Ok(Candidate {
        message,
        facts,
        app: call.app.name.as_str().into(),
        door: door.as_str(),
        now: now(),
    })
}
