//! Has the store let go of what is over, and what replicas share of keys and holds whose messages have ended.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use message::{Hold, Ledger, Settlement};
use store::Store;
use store_redis::SharedKeys;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::delivery::Delivery;
use crate::shared::{Shared, Unconfirmed, Whose};

/// Between two sweeps.
const PAUSE: Duration = Duration::from_secs(10);
/// How often it is looked whether the store cannot be written: a sweep also finds out whether it can be again.
const TROUBLED: Duration = Duration::from_secs(1);
/// So many rows gone mean that there is more.
const MUCH: usize = 1_000;
/// Most keys, and most holds, that replicas are told of at once.
const KEYS: u32 = 256;
const HOLDS: u32 = 256;

/// Sweeps until `stop`.
pub(crate) async fn run(
    store: Store,
    delivery: Arc<Delivery>,
    shared: Option<Arc<Shared>>,
    stop: CancellationToken,
) {
    loop {
        if let Some(shared) = &shared {
            if let Some(keys) = shared.keys() {
                stop.run_until_cancelled(free_elsewhere(&store, keys)).await;
                stop.run_until_cancelled(bind_elsewhere(&store, shared)).await;
            }
            if shared.is_up() {
                stop.run_until_cancelled(settle_elsewhere(&store, &*shared.ledger())).await;
            }
        }
        let pause = match store.sweep(SystemTime::now().into()).await {
            Ok(gone) if gone >= MUCH => Duration::ZERO,
            Ok(_) if store.trouble().is_none() => PAUSE,
            Ok(_) | Err(_) => TROUBLED,
        };
        tokio::select! {
            () = rest(&store, pause) => {}
            () = stop.cancelled() => return,
        }
        if let Err(err) = delivery.end_overdue().await {
            tracing::warn!(error = %err, "messages that were held too long could not be ended yet");
        }
    }
}

/// Waits for so long, or until the store is in trouble.
async fn rest(store: &Store, pause: Duration) {
    let end = Instant::now() + pause;
    while Instant::now() < end {
        sleep_until(end.min(Instant::now() + TROUBLED)).await;
        if store.trouble().is_some() {
            return;
        }
    }
}

/// Settles what replicas share of the holds of ended messages, where a process could not, or died before. What cannot
/// be told now is told later.
async fn settle_elsewhere(store: &Store, ledger: &dyn Ledger) {
    loop {
        let untold = match store.untold_holds(HOLDS).await {
            Ok(untold) if untold.is_empty() => return,
            Ok(untold) => untold,
            Err(err) => {
                tracing::warn!(error = %err, "what policies held could not be read");
                return;
            }
        };
        for settlement in [Settlement::Keep, Settlement::GiveBack] {
            let same = untold.iter().filter(|(_, other)| *other == settlement);
            let holds: Vec<Hold> = same.map(|(hold, _)| hold.clone()).collect();
            if holds.is_empty() {
                continue;
            }
            // Those that were told already stay as they were settled.
            if let Err(err) = ledger.settle(holds.clone(), settlement).await {
                tracing::warn!(holds = holds.len(), error = %err, "what policies held is not settled yet");
                return;
            }
            if store.told_of_holds(holds).await.is_err() {
                return;
            }
        }
    }
}

/// Binds the keys among replicas again that a report has put in force here. What cannot be told now is told later.
async fn bind_elsewhere(store: &Store, shared: &Shared) {
    let Ok(proved) = store.proved_keys(KEYS).await else { return };
    for key in proved {
        let now = SystemTime::now().into();
        let again = Unconfirmed::again(shared, store, &key.app, &key.key, now).await;
        match again {
            Ok(Some(again)) => match again.whose(now).await {
                Ok(Whose::Ours) => {}
                Ok(Whose::Others) => tracing::error!(
                    "another replica has sent under a key meanwhile of which a report proves that it had been used here"
                ),
                // It is looked at again.
                Ok(Whose::Undecided) => continue,
                Err(err) => {
                    tracing::warn!(error = %err, "replicas could not be told yet that a key is in force again");
                    return;
                }
            },
            // It has ended meanwhile.
            Ok(None) => {}
            Err(_) => return,
        }
        if store.told_of_proof(key).await.is_err() {
            return;
        }
    }
}

/// Frees the keys among replicas that have ended here with their messages. What cannot be told now is told later.
async fn free_elsewhere(store: &Store, keys: &SharedKeys) {
    loop {
        let freed = match store.freed_keys(KEYS).await {
            Ok(freed) if freed.is_empty() => return,
            Ok(freed) => freed,
            Err(err) => {
                tracing::warn!(error = %err, "which keys are free again could not be read");
                return;
            }
        };
        for freed in freed {
            if let Some(message) = &freed.message
                && let Err(err) = keys.free(&freed.app, &freed.key, message).await
            {
                tracing::warn!(error = %err, "replicas could not be told yet that a key is free again");
                return;
            }
            if store.told_of_end(freed).await.is_err() {
                return;
            }
        }
    }
}
