//! Has the store let go of what is over, and replicas of keys under which nothing was sent.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use store::Store;
use store_redis::SharedKeys;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::delivery::Delivery;
use crate::shared::Shared;

/// Between two sweeps.
const PAUSE: Duration = Duration::from_secs(10);
/// The same while the store cannot be written: a sweep also finds out whether it can be again.
const TROUBLED: Duration = Duration::from_secs(1);
/// So many rows gone mean that there is more.
const MUCH: usize = 1_000;
/// Most keys that replicas are told of at once.
const KEYS: u32 = 256;

/// Sweeps until `stop`.
pub(crate) async fn run(
    store: Store,
    delivery: Arc<Delivery>,
    shared: Option<Arc<Shared>>,
    stop: CancellationToken,
) {
    loop {
        if let Some(keys) = shared.as_ref().and_then(|shared| shared.keys()) {
            stop.run_until_cancelled(free_elsewhere(&store, keys)).await;
        }
        let pause = match store.sweep(SystemTime::now().into()).await {
            Ok(gone) if gone >= MUCH => Duration::ZERO,
            Ok(_) if store.trouble().is_none() => PAUSE,
            Ok(_) | Err(_) => TROUBLED,
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        if let Err(err) = delivery.end_overdue().await {
            tracing::warn!(error = %err, "messages that were held too long could not be ended yet");
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
