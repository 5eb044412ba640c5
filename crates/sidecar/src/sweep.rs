//! Has the store let go of what is over.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use store::Store;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::delivery::Delivery;

/// Between two sweeps.
const PAUSE: Duration = Duration::from_secs(10);
/// The same while the store cannot be written: a sweep also finds out whether it can be again.
const TROUBLED: Duration = Duration::from_secs(1);
/// So many rows gone mean that there is more.
const MUCH: usize = 1_000;

/// Sweeps until `stop`.
pub(crate) async fn run(store: Store, delivery: Arc<Delivery>, stop: CancellationToken) {
    loop {
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
