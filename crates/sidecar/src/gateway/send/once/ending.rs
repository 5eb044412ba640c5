//! What becomes of a key at its request's end: it keeps the answer that was given, or is let go.
//!
//! Either is written until it is written, or until the process is about to end: a key left as it was would tell an
//! answer that does not hold. Meanwhile the key is in flight here.

use std::sync::Arc;
use std::time::Duration;

use message::{MessageId, Timestamp};
use store::{StoreError, StoredAnswer};
use store_redis::SharedError;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::super::super::answer::Answer;
use super::super::super::refusal::{Plain, Refusal};
use super::super::super::{Call, Gateway, now};
use super::super::SETTLING;
use super::super::sending::Span;
use super::kept::stored;
use super::{Confirmed, Held};
use crate::relay::Waiting;
use crate::shared::{KeyLease, Shared};

/// How long a refusal waits until it is what its key tells: told to the app before, a crash would have it say
/// otherwise.
const REFUSAL: Duration = Duration::from_secs(2);

/// How soon what could not be written is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// What replicas are to be told of a key.
struct Elsewhere {
    lease: Arc<KeyLease>,
    shared: Arc<Shared>,
    /// Its answer, and until when it is kept; none where the key is given up.
    kept: Option<(StoredAnswer, Timestamp)>,
}

/// What a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Came {
    /// A message is ours, or one that stands for it.
    ToMessages,
    /// Plivo's no, which is for good.
    ToNothing,
}

impl Gateway {
    /// Keeps the answer that was given in the place of the one that the key was bound with; of the messages `named` it
    /// tells Plivo's ids. Nobody waits for that unless it is a refusal; those who bring the key meanwhile do. A key that
    /// has ended with its messages stays ended, unless it is that for good.
    pub(in super::super) async fn keep(
        &self,
        held: Held,
        answer: &Answer,
        id: &MessageId,
        (came, ends): (Came, Timestamp),
        (named, unanswered): (Vec<MessageId>, Option<Arc<Waiting>>),
    ) {
        let kept = self.kept(stored(answer, id));
        let Held { guard, lease, .. } = held;
        let there = Elsewhere::of(lease, self.shared.clone(), Some((kept.clone(), ends)));
        let (store, draining) = (self.store.clone(), self.draining.clone());
        let until = (came == Came::ToNothing).then_some(ends);
        let write =
            move || store.answered_by_plivos_ids(&guard, kept.clone(), until, named.clone());
        // In line before the answer goes out, so that no report on its messages comes between.
        let first = write();
        let ending = self.in_flight.spawn(async move {
            let here = async {
                until_written(first, write, &draining).await;
                drop(unanswered);
            };
            tokio::join!(here, until_told(there.as_ref(), &draining));
        });
        if !answer.status.is_success() {
            drop(timeout(REFUSAL, ending).await);
        }
    }

    /// Keeps an answer under which nothing new was recorded: an earlier message stands for what was asked, or several
    /// do where there are `others`. It is kept for as long as theirs are.
    ///
    /// # Errors
    ///
    /// It cannot be kept, though the app asked for that by name; or another replica answers for the key.
    pub(in super::super) async fn keep_for_earlier(
        &self,
        call: &Call,
        held: Held,
        answer: &Answer,
        (earlier, others): (Span, bool),
    ) -> Result<(), Refusal> {
        let Span { first: id, start, last } = earlier;
        let Some(row) = self.binding(&held, answer, &id, start, last.after(SETTLING)) else {
            return Ok(());
        };
        let row = if others { row.about_others_too() } else { row };
        if let Err(err) = self.store.bind(row.clone(), now()).await {
            return match err {
                // A resend that cannot be told is no reason to refuse everybody's sends.
                _ if !held.once.is_asked_for() => Ok(()),
                StoreError::KeysFull => Err(self.keys_full().await.into()),
                other => Err(Plain::by_the_store(&other).into()),
            };
        }
        match self.confirm(call, &held, &row).await {
            Confirmed::Ours(None) => Ok(()),
            Confirmed::Ours(Some(_)) => {
                self.keep(held, answer, &id, (Came::ToMessages, row.ends()), (Vec::new(), None))
                    .await;
                Ok(())
            }
            Confirmed::Others => {
                self.let_go(call, held, Some(&id)).await;
                Err(Plain::KeyInProgress.into())
            }
        }
    }

    /// Nothing was sent under the key: the next request that brings it runs afresh. It may be `bound` here to an answer
    /// about this message.
    pub(in super::super) async fn let_go(
        &self,
        call: &Call,
        held: Held,
        bound: Option<&MessageId>,
    ) {
        let (app, store, draining) =
            (call.app.name.clone(), self.store.clone(), self.draining.clone());
        let (there, bound) =
            (Elsewhere::of(held.lease.clone(), self.shared.clone(), None), bound.cloned());
        let ending = self.in_flight.spawn(async move {
            // There first: whoever finds the key free here asks there.
            until_told(there.as_ref(), &draining).await;
            if bound.is_some() {
                let write = || store.let_go(&app, held.key(), bound.as_ref());
                until_written(write(), write, &draining).await;
            }
            drop(held);
        });
        drop(timeout(REFUSAL, ending).await);
    }
}

impl Elsewhere {
    /// None where nobody else is asked.
    fn of(
        lease: Option<Arc<KeyLease>>,
        shared: Option<Arc<Shared>>,
        kept: Option<(StoredAnswer, Timestamp)>,
    ) -> Option<Self> {
        let (lease, shared) = lease.zip(shared)?;
        Some(Self { lease, shared, kept })
    }

    async fn tell(&self) -> Result<(), SharedError> {
        match &self.kept {
            Some((answer, ends)) => self.lease.bind(answer, ends.since(now())).await.map(drop),
            None => self.lease.give_up().await,
        }
    }
}

/// Waits for `first`, and writes again where the store was away.
async fn until_written<W>(first: W, again: impl Fn() -> W, draining: &CancellationToken)
where
    W: Future<Output = Result<(), StoreError>>,
{
    let (mut writing, mut said) = (first, false);
    while let Err(err) = writing.await {
        if !said {
            tracing::warn!(error = %err, "what a key stands for now could not be written yet");
            said = true;
        }
        // What the store does not take at all, it does not take later either.
        if !matches!(err, StoreError::Unavailable(_)) || !go_on(sleep(TRY_AGAIN), draining).await {
            tracing::error!(error = %err, "a key keeps an earlier answer");
            return;
        }
        writing = again();
    }
}

/// Tells replicas, as soon as they can be told.
async fn until_told(there: Option<&Elsewhere>, draining: &CancellationToken) {
    let Some(there) = there else { return };
    let mut said = false;
    // What the server does not take at all was never bound there.
    while let Err(SharedError::Unavailable(reason)) = there.tell().await {
        if !said {
            tracing::warn!(error = %reason, "what a key stands for now could not be told among replicas yet");
            said = true;
        }
        let soon = async {
            there.shared.up().await;
            sleep(TRY_AGAIN).await;
        };
        if !go_on(soon, draining).await {
            tracing::error!(error = %reason, "replicas keep an earlier answer under a key");
            return;
        }
    }
}

/// Waits for `soon`; `false` where the process is to end before.
async fn go_on(soon: impl Future<Output = ()>, draining: &CancellationToken) -> bool {
    draining.run_until_cancelled(soon).await.is_some()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;

    use super::*;

    fn away() -> Result<(), StoreError> {
        Err(StoreError::Unavailable("locked".into()))
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_key_stands_for_is_written_again_until_it_is_written() {
        let (writes, draining) = (Cell::new(0), CancellationToken::new());
        let again = || {
            writes.set(writes.get() + 1);
            ready(if writes.get() < 3 { away() } else { Ok(()) })
        };
        until_written(ready(away()), again, &draining).await;
        assert_eq!(writes.get(), 3, "writes after the first");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_given_up_where_the_process_is_to_end_and_where_the_store_does_not_take_it_at_all()
     {
        for (first, ends) in [(away(), true), (Err(StoreError::Invalid("too large")), false)] {
            let (writes, draining) = (Cell::new(0), CancellationToken::new());
            if ends {
                draining.cancel();
            }
            let again = || {
                writes.set(writes.get() + 1);
                ready(Ok(()))
            };
            until_written(ready(first.clone()), again, &draining).await;
            assert_eq!(writes.get(), 0, "writes after {first:?}");
        }
    }
}
