//! The end: no new send, those in flight to their ends, and what was left.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use store::{Backlog, Filter, Status, StoreError};
use tokio::time::{Instant, timeout, timeout_at};

use super::{FLUSH, LAST, Sidecar};

/// Most of the time before the deadline of sends that is kept for answers.
const ANSWERS: Duration = Duration::from_secs(1);
/// Most messages that are named at the end.
const CALLS_TOLD: usize = 10_000;

/// When the end has to have come, and what has to have ended before.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    /// When no app's connection keeps the drain from beginning any more.
    pub(super) linger: Instant,
    /// When whoever waits for Plivo's answer is given the one that there is.
    answers: Instant,
    pub(super) sends: Instant,
    pub(super) all: Instant,
}

impl Deadline {
    pub(super) fn begins(most: Duration) -> Self {
        let all = Instant::now() + most;
        let sends = all - FLUSH.min(most / 4);
        let answers = sends - ANSWERS.min(most / 8);
        // What waits is ended by the drain, which needs a moment before answers are given as they are.
        Self { linger: answers - ANSWERS.min(most / 8), answers, sends, all }
    }
}

impl Sidecar {
    /// Takes no new send, lets those in flight end, has apps told of it, and says what was left. Until then operators and
    /// probes are answered.
    pub(super) async fn drain(mut self, deadline: Deadline) {
        tracing::info!(deadline_s = self.drain.as_secs(), "draining");
        self.stops.draining.cancel();
        self.stops.stop.cancel();
        self.in_flight.close();
        let in_time = self.ended(deadline).await;
        // No send is taken any more, so what is queued is all there will be.
        let most = deadline.all.saturating_duration_since(Instant::now()).min(FLUSH) / 2;
        let decisions = self.decisions.take();
        let write = async {
            let Some(decisions) = decisions else { return };
            drop(tokio::task::spawn_blocking(move || decisions.close(most)).await);
        };
        tokio::join!(write, self.tell_replicas(most));
        self.tell_what_is_left(in_time).await;
        self.stops.drained.cancel();
        drop(timeout(LAST, self.admin.join_next()).await);
        // Telemetry may hold the store until a collector answers, and so beyond the end.
        if timeout(LAST, self.store.settle()).await.is_err() {
            tracing::warn!(
                "the store's log was not emptied in time; its `-wal` file has what was accepted, keep both"
            );
        }
    }

    /// Waits for all that is in flight; whether it ended in time.
    async fn ended(&mut self, deadline: Deadline) -> bool {
        let mut ended = pin!(async {
            // In this order: a request that is still being read may yet become a message on its way.
            while self.running.join_next().await.is_some() {}
            self.in_flight.wait().await;
            self.stops.sent.cancel();
            while self.telling.join_next().await.is_some() {}
        });
        if timeout_at(deadline.answers, &mut ended).await.is_ok() {
            return true;
        }
        self.stops.hurry.cancel();
        timeout_at(deadline.sends, ended).await.is_ok()
    }

    /// Tells what replicas share all that it is still to be told.
    async fn tell_replicas(&self, most: Duration) {
        let Some(shared) = &self.shared else { return };
        if timeout(most, shared.tell_all()).await.is_err() {
            tracing::warn!(
                "what replicas share was not told all in time; the next start tells of messages left"
            );
        }
    }

    async fn tell_what_is_left(&self, in_time: bool) {
        let (left, untold) = match self.left().await {
            Ok(left) => left,
            Err(err) => {
                let waiting = self.delivery.waiting();
                return tracing::warn!(in_time, waiting, error = %err, "drained; what was left could not be counted");
            }
        };
        let Backlog { in_doubt, held, in_call, .. } = left;
        // A person may decide about what is held only where there is a next start.
        let waiting = left.waiting - in_call;
        let late = if in_time { "" } else { "; what had not ended by then was cut off" };
        match untold {
            0 => {}
            _ if self.ephemeral => tracing::warn!(
                untold,
                "apps were not told of all that became of their messages, and are not told any more"
            ),
            _ => tracing::warn!(
                untold,
                "apps were not told of all that became of their messages; the next start goes on"
            ),
        }
        match (in_doubt + in_call + if self.ephemeral { held } else { 0 }, waiting) {
            (0, 0) if untold > 0 => tracing::info!(in_time, "drained; no message was left{late}"),
            (0, 0) => tracing::info!(in_time, "drained; nothing was left{late}"),
            _ if !self.ephemeral => tracing::warn!(
                in_time,
                waiting,
                in_doubt,
                in_call,
                "drained; messages were left for the next start{late}"
            ),
            (0, _) => tracing::warn!(in_time, waiting, "drained; messages were left unsent{late}"),
            (maybe, _) => {
                self.tell_of_calls().await;
                tracing::warn!(
                    in_time,
                    waiting,
                    in_doubt,
                    in_call,
                    "drained; {maybe} messages were left that Plivo may have, each told by its id, and {waiting} unsent{late}"
                );
            }
        }
    }

    /// Messages that have not ended, as their store knows them, and how many events apps are still to be told.
    async fn left(&self) -> Result<(Backlog, u64), StoreError> {
        let counted = timeout(LAST, async {
            self.store.remembered().await?;
            let backlog = self.store.backlog(SystemTime::now().into()).await?;
            Ok((backlog, self.store.untold().await?))
        });
        let late = |_| Err(StoreError::Unavailable("it does not answer".to_owned()));
        counted.await.unwrap_or_else(late)
    }

    /// Names those that a call is out for: nobody else will, since the memory that they are in goes with the process.
    async fn tell_of_calls(&self) {
        let in_call =
            Filter { status: Some(Status::Sending), limit: CALLS_TOLD, ..Filter::default() };
        let listed = timeout(LAST, self.store.list(&in_call)).await;
        for record in listed.ok().and_then(Result::ok).into_iter().flat_map(|page| page.records) {
            tracing::warn!(message.id = %record.id, "a message is left in its call; Plivo may have it");
        }
    }
}
