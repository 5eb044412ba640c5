//! What the policies say of each recipient's message.

mod stopped;

use message::facts::Probed;
use message::{Message, Settlement, facts};
use plivo_client::{Dlt, Log};
use policy_host::{Candidate, Decision, Foresight, PolicyFailure, PolicyName};
use store::Status;
use tracing::Span;

use super::super::answer::{Door, Owned, Verdict};
use super::super::asking::Asking;
use super::super::faults::Faults;
use super::super::refusal::{Plain, Refusal, Refuser};
use super::super::submission::{Draft, Recipient, Submission, unfit};
use super::super::{Call, Gateway, limits, now};
use super::once::Held;
use super::relay::Told;
use super::sending;
use crate::delivery::{About, Ready, Seat};

pub(in crate::gateway) use self::stopped::coalesced;

/// What all messages of a request have in common besides their parts.
pub(super) struct Wishes {
    door: Door,
    /// What was found at each media URL.
    probes: Vec<Probed>,
    unknown_fields: Vec<String>,
    log: Option<Log>,
    trackable: bool,
    dlt: Option<Dlt>,
    callback_method: Option<String>,
    idempotency_key: Option<String>,
}

/// A message of which the policies may be asked: it has its seat.
pub(super) struct Seated {
    seat: Seat,
    candidate: Candidate,
    told: Told,
    /// What its policies will hear of what replicas share, where that was asked with the key.
    foresight: Option<Foresight>,
}

/// One recipient's message after its policies.
pub(super) enum Decided {
    /// Refused.
    Done(Verdict),
    /// An earlier message stands for it.
    Earlier(Verdict, sending::Span),
    /// Cleared, and to be recorded.
    Ready(Recipient, Owned, Box<Ready>),
}

impl Wishes {
    /// Takes a submission apart: each recipient's draft, and what all have in common.
    pub(super) async fn of(
        call: &Call,
        submission: Submission,
        door: Door,
        key: Option<&Held>,
    ) -> (Vec<Draft>, Self) {
        let Submission { drafts, unknown_fields, log, trackable, dlt, callback_method, .. } =
            submission;
        let probes = probed(call, &drafts).await;
        let idempotency_key = key.map(|held| held.key().to_owned());
        let wishes = Self {
            door,
            probes,
            unknown_fields,
            log,
            trackable,
            dlt,
            callback_method,
            idempotency_key,
        };
        (drafts, wishes)
    }
}

impl Seated {
    pub(super) fn candidate(&self) -> &Candidate {
        &self.candidate
    }

    pub(super) fn with(self, foresight: Foresight) -> Self {
        Self { foresight: Some(foresight), ..self }
    }
}

impl Gateway {
    /// Has a seat taken before the message's policies are asked.
    pub(super) fn seated(
        &self,
        call: &Call,
        door: Door,
        message: Message,
        found: (&[String], &[Probed]),
        callback_method: Option<&str>,
    ) -> Result<Seated, Refusal> {
        let seat = self.delivery.seat(&call.app.name, message.not_before)?;
        let (candidate, told) = candidate(call, door, message, found, callback_method)?;
        Ok(Seated { seat, candidate, told, foresight: None })
    }

    /// What the policies say of each recipient's message, the first of which may have its seat.
    pub(super) async fn clear_all(
        &self,
        call: &Call,
        drafts: Vec<Draft>,
        mut seated: Option<Seated>,
        wishes: &Wishes,
    ) -> Vec<Decided> {
        let (mut decided, mut asking) = (Vec::with_capacity(drafts.len()), Asking::begin());
        for draft in drafts {
            let next = if asking.may_go_on() {
                self.clear(call, draft, seated.take(), wishes).await
            } else {
                Decided::refused(draft.to, Plain::NotAsked.into())
            };
            asking.heard(next.is_policy_failure());
            decided.push(next);
        }
        decided
    }

    /// The policies' verdict on one message.
    async fn clear(
        &self,
        call: &Call,
        draft: Draft,
        seated: Option<Seated>,
        wishes: &Wishes,
    ) -> Decided {
        let door = wishes.door;
        let Draft { to, message, mut changes } = draft;
        let message = match message {
            Ok(message) => message,
            Err(faults) => return Decided::refused(to, faults.into()),
        };
        Span::current().record("sendgate.message.id", &*message.id.0);
        let asked_start = message.not_before;
        let method = wishes.callback_method.as_deref();
        let found = (wishes.unknown_fields.as_slice(), wishes.probes.as_slice());
        let seated = seated.map_or_else(|| self.seated(call, door, message, found, method), Ok);
        let Seated { seat, candidate, told, foresight } = match seated {
            Ok(seated) => seated,
            Err(refusal) => return Decided::refused(to, refusal),
        };
        let record = self.decisions.as_ref().and_then(|log| Some((log, log.begin(&candidate)?)));
        let chain = &call.in_force.chain;
        let cleared = match foresight {
            // On the heap, so that the way of all others has no room for it.
            Some(foresight) => Box::pin(chain.clear_foreseen(candidate, foresight)).await,
            None => chain.clear(candidate).await,
        };
        if let Some((log, candidate)) = record {
            log.end(candidate, &cleared, &call.in_force);
        }
        self.feed.saw(&call.app.name, door.as_str(), &cleared);
        let cleared = match cleared {
            Ok(cleared) => cleared,
            Err(stopped) => return self.stopped(call, to, *stopped).await,
        };
        let by = (cleared.sender_by(), cleared.decisions());
        if let Some(refusal) = unsendable(call, cleared.message(), by) {
            if let Err(err) = cleared.settle(Settlement::GiveBack).await {
                tracing::warn!(error = %err, "what the policies held could not be given back");
            }
            if let Refusal::PolicyFailed { policy, failure } = &refusal {
                stopped::could_not_decide(policy, failure);
            }
            return Decided::refused(to, refusal);
        }
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
            standings: limits::bounding(call, cleared.standings()),
        };
        let about = About {
            app: call.app.name.clone(),
            account: call.app.account.as_str().into(),
            door: door.as_str(),
            asked_start,
            log: wishes.log,
            trackable: wishes.trackable,
            dlt: wishes.dlt.clone(),
            relay: told.relay,
            idempotency_key: wishes.idempotency_key.clone(),
            traceparent: telemetry::traceparent(&Span::current()),
        };
        match self.delivery.ready(cleared, about, seat, now()).await {
            Ok(ready) => {
                let to = Recipient { number: Some(owned.to.clone()), ..to };
                Decided::Ready(to, owned, Box::new(ready))
            }
            Err(refusal) => Decided::refused(to, refusal.behind(|| owned.standings)),
        }
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

/// Why a message cannot go as the policies made it: its sender is held to the same rules as an app's own. Neither the app
/// nor `on_failure` can help it where a policy chose it.
pub(in crate::gateway) fn unsendable(
    call: &Call,
    message: &Message,
    (sender_by, decisions): (Option<&PolicyName>, &[Decision]),
) -> Option<Refusal> {
    let faults = unfit(
        &message.sender,
        message.kind(),
        &call.app,
        call.in_force.plivo_of(&call.app),
        "/from",
    );
    let fault = faults.first()?;
    let Some(policy) = sender_by else { return Some(faults.into()) };
    let failure = PolicyFailure::IllegalAmend(format!("its sender {}", fault.detail));
    Some(Refusal::PolicyFailed { policy: Refuser::of(policy, decisions), failure })
}

/// What is found at the media URLs that all `drafts` share, each looked at once; nothing where they are not looked at.
pub(in crate::gateway) async fn probed(call: &Call, drafts: &[Draft]) -> Vec<Probed> {
    let Some(prober) = &call.in_force.prober else { return Vec::new() };
    match drafts.iter().find_map(|draft| draft.message.as_ref().ok()) {
        Some(message) => prober.look_at(&call.app.name, &message.media_urls).await,
        None => Vec::new(),
    }
}

/// What a policy is asked about, and who is told what becomes of it.
///
/// # Errors
///
/// `relay.not_allowed`, and the structural faults that only the survey of a whole message finds.
pub(in crate::gateway) fn candidate(
    call: &Call,
    door: Door,
    message: Message,
    (unknown_fields, probes): (&[String], &[Probed]),
    callback_method: Option<&str>,
) -> Result<(Candidate, Told), Refusal> {
    let told = Told::of(call, door, callback_method, message.callback_url.as_deref())
        .map_err(Faults::from)?;
    let mut facts = facts::survey(&message, unknown_fields.to_vec())?;
    for (media, probe) in facts.media.iter_mut().zip(probes) {
        media.probe = Some(probe.clone());
    }
    let (app, account) = (call.app.name.as_str().into(), call.app.account.as_str().into());
    let candidate = Candidate { message, facts, app, account, door: door.as_str(), now: now() };
    Ok((candidate, told))
}
