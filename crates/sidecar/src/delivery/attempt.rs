//! One message's way through its attempts.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use message::{Settlement, Timestamp, limits};
use plivo_client::{Log, Outcome, Outgoing, RefusedKind};
use policy_host::{Afterwards, Cleared};
use store::Status;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tracing::{Instrument as _, Span};

use super::{Delivery, News, backoff, now, reach};
use crate::in_force::Account;
use crate::{record, spans};

/// Shorter than this Plivo takes no `message_expiry`, so a message with less left to live expires here.
pub(super) const SHORTEST: Duration = Duration::from_secs(5);
/// Longer than this it takes none either; its own default then ends a moment after our deadline.
const LONGEST: Duration = Duration::from_secs(*limits::EXPIRY_S.end() as u64);

/// A message between acceptance and outcome.
pub(super) struct Journey {
    pub(super) delivery: Arc<Delivery>,
    pub(super) cleared: Cleared,
    pub(super) about: About,
    pub(super) tell: watch::Sender<News>,
    /// Not to be tried before.
    pub(super) start: Option<Timestamp>,
    pub(super) deadline: Timestamp,
    /// Calls made so far.
    pub(super) attempts: u32,
    /// Of these, the ones that Plivo turned away for now.
    pub(super) turned_away: u32,
    pub(super) trace: Trace,
}

/// Where the attempts belong in the app's trace.
pub(super) struct Trace {
    /// The request's span: the first attempt's parent, let go of then, so that it can end.
    request: Option<Span>,
    /// What later attempts link to.
    traceparent: Option<String>,
}

/// Whom to tell of the outcome.
pub(crate) struct About {
    pub(crate) app: String,
    pub(crate) door: &'static str,
    /// The app's own `not_before`, whatever the policies made of it.
    pub(crate) asked_start: Option<Timestamp>,
    /// What Plivo is to keep, where the app says so; else the configuration decides.
    pub(crate) log: Option<Log>,
    /// Whether conversion feedback will follow.
    pub(crate) trackable: bool,
}

/// How a journey ended.
struct End {
    status: Status,
    told: policy_host::Outcome,
    news: News,
    settlement: Settlement,
    code: Option<&'static str>,
}

/// What a try asks for that did not end the journey.
enum Again {
    /// After a while, and at least after `least`.
    Later { least: Option<Duration> },
    /// When the credentials have changed.
    Renewed,
}

impl Journey {
    pub(super) async fn run(mut self) {
        let Some(end) = self.travel().await else {
            // The process is stopping, and with it the memory that the message is in.
            let id = &self.cleared.message().id;
            tracing::warn!(message.id = %id, "a message is left unsent");
            self.tell.send_replace(News::Refused("spool.draining"));
            self.cleared.entrust();
            return;
        };
        let uuid = if let News::Submitted(uuid) = &end.news { Some(uuid.clone()) } else { None };
        let id = self.cleared.message().id.clone();
        record::ended(&self.delivery.messages, &id, end.status, uuid, end.code, now()).await;
        tracing::info!(message.id = %id, status = end.status.as_str(), code = end.code, attempts = self.attempts, "a message's way to Plivo has ended");
        if let Err(err) = self.cleared.settle(end.settlement).await {
            tracing::warn!(error = %err, message.id = %id, "what the policies held could not be settled");
        }
        self.tell.send_replace(end.news);
        // The app has its answer; the policies that want to know hear of it now.
        let chain = self.delivery.account.borrow().chain.upgrade();
        if let Some(chain) = chain {
            let About { app, door, .. } = &self.about;
            let about = Afterwards { id: &id, app, door, now: now() };
            chain.tell_outcome(about, end.told).await;
        }
    }

    /// `None` where the sidecar stops first.
    async fn travel(&mut self) -> Option<End> {
        if let Some(start) = self.start {
            self.wait_until(start, Status::Waiting).await?;
        }
        loop {
            self.wait_for_credentials().await?;
            if self.left() < SHORTEST {
                return Some(self.expired());
            }
            let account = self.delivery.account.borrow().clone();
            let Some(permit) = self.room(&account.calls).await else {
                if self.delivery.stop.is_cancelled() {
                    return None;
                }
                continue;
            };
            if self.left() < SHORTEST {
                return Some(self.expired());
            }
            self.attempts += 1;
            let tried = self.attempt(self.attempts, &account).await;
            drop(permit);
            let again = match tried {
                ControlFlow::Break(end) => return Some(end),
                ControlFlow::Continue(again) => again,
            };
            if let Again::Later { least } = again {
                let due = now().after(backoff::delay(self.attempts, least, fastrand::f64()));
                // A try after the deadline would only make the app wait longer for the same end.
                if due.after(SHORTEST) > self.deadline {
                    return Some(self.expired());
                }
                self.wait_until(due, Status::RetryWait).await?;
            }
        }
    }

    async fn attempt(&mut self, nth: u32, account: &Account) -> ControlFlow<End, Again> {
        let id = self.cleared.message().id.clone();
        let began = now();
        record::attempt_began(&self.delivery.messages, &id, nth, began).await;
        let left = self.left();
        let outgoing = Outgoing {
            ttl: (left <= LONGEST).then_some(left),
            log: self.about.log.unwrap_or(account.log),
            trackable: self.about.trackable,
            attempt: nth,
            ..Outgoing::new(self.cleared.message())
        };
        let timeout = account.call_timeout.min(left);
        let call = account.client.send(&account.credentials, outgoing, timeout);
        let outcome = call.instrument(self.trace.span(nth)).await;
        record::attempt_ended(&self.delivery.messages, &id, nth, &outcome, now()).await;
        self.judge(outcome, &account.credentials, account.attempts)
    }

    /// The right to make a call, unless the deadline or the process's end comes first. A message that waits for it counts
    /// as waiting.
    async fn room<'a>(&self, calls: &'a Semaphore) -> Option<SemaphorePermit<'a>> {
        if let Ok(permit) = calls.try_acquire() {
            return Some(permit);
        }
        let _counted = self.parked(Status::Waiting).await;
        tokio::select! {
            permit = calls.acquire() => permit.ok(),
            () = reach(self.deadline) => None,
            () = self.delivery.stop.cancelled() => None,
        }
    }

    /// What an outcome means for the message (messaging.md 3.4).
    fn judge(
        &mut self,
        outcome: Outcome,
        used: &Arc<plivo_client::Credentials>,
        most: u32,
    ) -> ControlFlow<End, Again> {
        match outcome {
            Outcome::Accepted(receipt) => {
                if !receipt.extra_uuids.is_empty() {
                    tracing::error!(message.id = %self.cleared.message().id, "Plivo split one recipient into several");
                }
                let news = News::Submitted(receipt.message_uuid);
                ControlFlow::Break(End {
                    status: Status::Submitted,
                    told: policy_host::Outcome::Accepted,
                    news,
                    settlement: Settlement::Keep,
                    code: None,
                })
            }
            Outcome::InDoubt(_) => {
                let news = News::Ended(Status::InDoubt);
                ControlFlow::Break(End {
                    status: Status::InDoubt,
                    told: policy_host::Outcome::InDoubt,
                    news,
                    settlement: Settlement::Keep,
                    code: Some("send.in_doubt"),
                })
            }
            // Nothing was written, so nothing is risked by trying until the deadline.
            Outcome::NotSent(not_sent) if not_sent.kind.may_retry() => {
                ControlFlow::Continue(Again::Later { least: None })
            }
            Outcome::NotSent(_) => ControlFlow::Break(End {
                told: policy_host::Outcome::NotSent,
                ..End::failed("upstream.untrusted")
            }),
            Outcome::Rejected(refused) => {
                // Plivo's own words are for operators only; apps get a stable code.
                let detail = refused.detail();
                tracing::warn!(message.id = %self.cleared.message().id, detail, "{refused}");
                let turned_away = &mut self.turned_away;
                let mut later = |least| {
                    *turned_away += 1;
                    if *turned_away < most {
                        ControlFlow::Continue(Again::Later { least })
                    } else {
                        ControlFlow::Break(End::failed("upstream.unavailable"))
                    }
                };
                match refused.kind {
                    RefusedKind::Credentials => {
                        self.delivery.latch(used);
                        ControlFlow::Continue(Again::Renewed)
                    }
                    RefusedKind::Credit => {
                        ControlFlow::Continue(Again::Later { least: Some(Duration::from_secs(30)) })
                    }
                    RefusedKind::RateLimited { retry_after }
                    | RefusedKind::Shed { retry_after } => later(retry_after),
                    RefusedKind::Geo => ControlFlow::Break(End::failed("upstream.geo_denied")),
                    _ => ControlFlow::Break(End::failed("upstream.rejected")),
                }
            }
        }
    }

    /// What is left of its life, in whole seconds as Plivo counts them. Rounded up: a message that was just accepted
    /// has its whole life before it, and the shortest would be too short otherwise.
    fn left(&self) -> Duration {
        let left = self.deadline.since(now());
        Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0))
    }

    fn expired(&self) -> End {
        End {
            status: Status::Expired,
            told: policy_host::Outcome::NotSent,
            news: News::Refused("send.expired"),
            settlement: Settlement::GiveBack,
            code: Some("send.expired"),
        }
    }

    async fn wait_until(&mut self, at: Timestamp, status: Status) -> Option<()> {
        self.trace.leave();
        let _counted = self.parked(status).await;
        tokio::select! {
            () = reach(at) => Some(()),
            () = self.delivery.stop.cancelled() => None,
        }
    }

    /// Returns at once while the credentials are good; else when they changed or the deadline has come.
    async fn wait_for_credentials(&mut self) -> Option<()> {
        let mut account = self.delivery.account.subscribe();
        if !self.delivery.credentials_refused() {
            return Some(());
        }
        self.trace.leave();
        let _counted = self.parked(Status::Waiting).await;
        loop {
            tokio::select! {
                changed = account.changed() => changed.ok()?,
                () = reach(self.deadline) => return Some(()),
                () = self.delivery.stop.cancelled() => return None,
            }
            if !self.delivery.credentials_refused() {
                return Some(());
            }
        }
    }

    /// Marks the message as waiting for as long as the returned count lives.
    async fn parked(&self, status: Status) -> Parked<'_> {
        let id = &self.cleared.message().id;
        record::waits(&self.delivery.messages, id, status, now()).await;
        self.tell.send_replace(News::Open(status));
        self.delivery.waiting.fetch_add(1, Ordering::AcqRel);
        Parked(&self.delivery)
    }
}

impl Trace {
    /// Of the request that is being served now.
    pub(super) fn current() -> Self {
        let request = Span::current();
        Self { traceparent: telemetry::traceparent(&request), request: Some(request) }
    }

    /// What is sent from here on is no part of the request: it ends now, and not when the message does.
    fn leave(&mut self) {
        self.request = None;
    }

    fn span(&mut self, nth: u32) -> Span {
        if let Some(request) = self.request.take() {
            return request;
        }
        let span = spans::retry(nth);
        if let Some(traceparent) = &self.traceparent {
            telemetry::link(&span, traceparent);
        }
        span
    }
}

/// One message that waits; counted until it goes on, but not taken off when the process stops with it.
struct Parked<'a>(&'a Delivery);

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        if !self.0.stop.is_cancelled() {
            self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl End {
    fn failed(code: &'static str) -> Self {
        Self {
            status: Status::Failed,
            told: policy_host::Outcome::Rejected,
            news: News::Refused(code),
            settlement: Settlement::GiveBack,
            code: Some(code),
        }
    }
}

impl Delivery {
    /// Plivo refused `used`; nothing more is tried with them. A reload may have brought others meanwhile.
    fn latch(&self, used: &Arc<plivo_client::Credentials>) {
        let account = self.account.borrow();
        if *account.credentials == **used && !self.refused.swap(true, Ordering::AcqRel) {
            tracing::error!(
                "Plivo refused the credentials (401); sends wait until [plivo] auth_id or auth_token change"
            );
        }
    }
}
