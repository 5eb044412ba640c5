//! What a message waits for on its way: its key, its turn, a Plivo that is well, the time of its next try.

mod reasons;

use std::future::ready;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use message::Timestamp;
use store::Status;
use tokio::time::{Instant, sleep};

use self::reasons::{Orphan, Trouble};
use super::attempt::SHORTEST;
use super::breaker::{Pass, Reason};
use super::journey::{Journey, STORE, Stop};
use super::judge::End;
use super::second_look::Look;
use super::starts::Entrance;
use super::turns::{Place, Turn};
use super::{Upstream, Word, backoff, now, reach};
use crate::in_force::Account;
use crate::shared::{Unconfirmed, Whose};

/// Why a message waits whose account the configuration does not have.
pub(crate) const NO_ACCOUNT: &str = "account_gone";
/// Why a message waits of which replicas have not said yet that its key is this one's.
pub(crate) const UNCONFIRMED: &str = "key_unconfirmed";

/// Whether a retry counts against the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metered {
    Yes,
    No,
}

/// A wait for the next try that a process before this one began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    pub(super) due: Timestamp,
    pub(super) metered: Metered,
}

/// Everything that one call needs.
pub(super) struct Leave {
    pub(super) upstream: Arc<Upstream>,
    pub(super) account: Arc<Account>,
    /// Given back before the next wait.
    pub(super) _turn: Turn,
    pub(super) pass: Pass,
}

impl Journey {
    /// Waits until it is certain that no other replica answers for the message's key.
    pub(super) async fn confirm(&mut self, unconfirmed: &Unconfirmed) -> ControlFlow<Stop> {
        let (stop, mut counted) = (self.delivery.stop.clone(), None);
        loop {
            match unconfirmed.whose(now()).await {
                Ok(Whose::Ours) => {
                    unconfirmed.is_ours(&self.delivery.store);
                    return ControlFlow::Continue(());
                }
                Ok(Whose::Others) => {
                    return ControlFlow::Break(Stop::Elsewhere(unconfirmed.clone()));
                }
                Ok(Whose::Undecided) => {}
                // That the server is away is told once for all.
                Err(err) => {
                    let id = &self.accepted.message.id;
                    tracing::debug!(message.id = %id, error = %err, "a key cannot be confirmed among replicas yet");
                }
            }
            if self.left() < SHORTEST {
                return self.expire();
            }
            // Others to the same number need not wait for a server.
            self.entrance = None;
            if counted.is_none() {
                self.trace.leave();
                counted = Some(self.parked(Status::Waiting, Some(UNCONFIRMED), None).await);
            }
            tokio::select! {
                () = sleep(STORE) => {}
                word = self.inbox.recv() => return ControlFlow::Break(obey(word)),
                () = stop.cancelled() => return ControlFlow::Break(Stop::Process),
            }
        }
    }

    pub(super) fn enter(&self) -> Place {
        self.delivery.enter(&self.accepted)
    }

    /// Its place, once its time has come; meanwhile the record says `why`.
    pub(super) async fn take_place(&mut self, why: Option<&str>) -> ControlFlow<Stop, Place> {
        let entrance = self.entrance.take();
        match entrance.unwrap_or_else(|| self.delivery.entrance(&self.accepted)) {
            Entrance::Now(place) => ControlFlow::Continue(place),
            Entrance::Later(mut start) => {
                self.wait_for((start.at(), Status::Waiting, why), start.come()).await
            }
        }
    }

    /// All that a call needs: time left, a Plivo that is well, the message's turn, and no policy that is against it by
    /// now. Its place may be another afterwards.
    pub(super) async fn leave(&mut self, mut place: Place) -> ControlFlow<Stop, (Place, Leave)> {
        let delivery = Arc::clone(&self.delivery);
        loop {
            self.wait.begins();
            if self.left() < SHORTEST {
                return self.expire();
            }
            self.known_account().await?;
            let mut turn = self.turn(&mut place).await?;
            match self.look_again().await? {
                Look::Goes => {}
                Look::PutOff(until, why) => {
                    drop(turn);
                    // Others to the same number need not wait so long.
                    drop(place);
                    place = self.put_off(until, &why).await?;
                    continue;
                }
                Look::Undecided(why) => {
                    drop(turn);
                    self.wait_to_look(why).await?;
                    continue;
                }
            }
            if self.left() < SHORTEST {
                return self.expire();
            }
            self.heed()?;
            // Looked up only now: the configuration may have let go of it meanwhile.
            let Some(upstream) = delivery.upstream(&self.accepted.account) else { continue };
            let Some(pass) = turn.used() else { continue };
            // Taken after the pass: new credentials that come between reset the breaker, which then ignores it.
            let (account, _turn) = (upstream.account(), turn);
            return ControlFlow::Continue((place, Leave { upstream, account, _turn, pass }));
        }
    }

    /// Waits until the configuration has the message's account, where it has let go of it: no other may send it.
    async fn known_account(&mut self) -> ControlFlow<Stop> {
        let name = Arc::clone(&self.accepted.account);
        let (stop, deadline) = (self.delivery.stop.clone(), self.accepted.deadline);
        let mut upstreams = self.delivery.upstreams.subscribe();
        if upstreams.borrow().named(&name).is_some() {
            return ControlFlow::Continue(());
        }
        self.trace.leave();
        let _counted = self.parked(Status::Waiting, Some(NO_ACCOUNT), None).await;
        let _told = Orphan::of(&self.delivery, &name);
        tokio::select! {
            _ = upstreams.wait_for(|known| known.named(&name).is_some()) => ControlFlow::Continue(()),
            () = reach(deadline) => self.expire(),
            word = self.inbox.recv() => ControlFlow::Break(obey(word)),
            () = stop.cancelled() => ControlFlow::Break(Stop::Process),
        }
    }

    /// The message's turn; at once where nobody stands before it and Plivo is well. One that waits counts as waiting, for
    /// what holds it back at the time.
    async fn turn(&mut self, place: &mut Place) -> ControlFlow<Stop, Turn> {
        let deadline = self.accepted.deadline;
        let stop = self.delivery.stop.clone();
        let mut turn = pin!(place.turn(deadline));
        tokio::select! {
            biased;
            turn = &mut turn => return ControlFlow::Continue(turn),
            () = ready(()) => {}
        }
        loop {
            let trouble = Trouble::of(&self.delivery, &self.accepted);
            if trouble.reason.is_some() {
                self.trace.leave();
            }
            let reason = trouble.reason.map(Reason::as_str);
            let _counted = self.parked(Status::Waiting, reason, None).await;
            tokio::select! {
                turn = &mut turn => return ControlFlow::Continue(turn),
                () = trouble.otherwise() => {}
                () = reach(deadline) => return self.expire(),
                word = self.inbox.recv() => return ControlFlow::Break(obey(word)),
                () = stop.cancelled() => return ControlFlow::Break(Stop::Process),
            }
        }
    }

    /// Waits before the next try; one after the deadline would only make the app wait longer for the same end.
    pub(super) async fn back_off(
        &mut self,
        least: Option<Duration>,
        metered: Metered,
    ) -> ControlFlow<Stop> {
        let due = now().after(backoff::delay(self.attempts, least, fastrand::f64()));
        if due.after(SHORTEST) > self.accepted.deadline {
            let end = End::not_sent(Status::Expired, "send.expired").for_now(least);
            return ControlFlow::Break(Stop::End(end));
        }
        self.go_on_waiting(due, metered).await
    }

    /// Waits until it is `due`, and longer where more retries than that would be too many.
    pub(super) async fn go_on_waiting(
        &mut self,
        mut due: Timestamp,
        metered: Metered,
    ) -> ControlFlow<Stop> {
        self.wait.begins();
        loop {
            self.wait_until(due, Status::RetryWait).await?;
            // Where much fails already, retries would be load on top of load.
            if metered == Metered::No || self.may_retry() {
                return ControlFlow::Continue(());
            }
            due = now().after(backoff::delay(self.attempts, None, fastrand::f64()));
            if due.after(SHORTEST) > self.accepted.deadline {
                return self.expire();
            }
        }
    }

    fn may_retry(&self) -> bool {
        let upstream = self.delivery.upstream(&self.accepted.account);
        upstream.is_none_or(|upstream| upstream.budget.may_retry(Instant::now()))
    }

    /// What is left of its life, in whole seconds as Plivo counts them. Rounded up: a message that was just accepted
    /// has its whole life before it, and the shortest would be too short otherwise.
    pub(super) fn left(&self) -> Duration {
        let left = self.accepted.deadline.since(now());
        Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0))
    }

    pub(super) fn expire<T>(&self) -> ControlFlow<Stop, T> {
        ControlFlow::Break(Stop::End(End::not_sent(Status::Expired, "send.expired")))
    }

    /// Waits as long as it is until then by now, wherever the wall clock is set meanwhile.
    async fn wait_until(&mut self, at: Timestamp, status: Status) -> ControlFlow<Stop> {
        self.wait_for((at, status, None), sleep(at.since(now()))).await
    }

    /// Waits for what comes at this instant.
    pub(super) async fn wait_for<T>(
        &mut self,
        (at, status, why): (Timestamp, Status, Option<&str>),
        comes: impl Future<Output = T>,
    ) -> ControlFlow<Stop, T> {
        self.trace.leave();
        let _counted = self.parked(status, why, Some(at)).await;
        let stop = self.delivery.stop.clone();
        tokio::select! {
            come = comes => ControlFlow::Continue(come),
            word = self.inbox.recv() => ControlFlow::Break(obey(word)),
            () = stop.cancelled() => ControlFlow::Break(Stop::Process),
        }
    }

    /// What others have said meanwhile.
    pub(super) fn heed(&mut self) -> ControlFlow<Stop> {
        match self.inbox.try_recv() {
            Ok(word) => ControlFlow::Break(obey(Some(word))),
            Err(_) => ControlFlow::Continue(()),
        }
    }
}

/// What somebody says to a message of which no call is out.
pub(super) fn obey(word: Option<Word>) -> Stop {
    match word {
        Some(Word::Cancel) => Stop::End(End::not_sent(Status::Canceled, "send.canceled")),
        // A report on an earlier call: Plivo has it after all.
        Some(Word::Reported(uuid)) => Stop::End(End::submitted(&uuid)),
        None => Stop::Process,
    }
}
