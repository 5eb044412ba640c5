//! Waiting for a state.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

/// Longest that anything is waited for; far above what it takes on a slow machine, so that it only ends what hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What `probe` finds, as soon as it finds something.
///
/// # Panics
///
/// When it has found nothing for [`PATIENCE`]; says `what` was waited for.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        let mut ticks = interval(Duration::from_millis(10));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(found) = probe().await {
                return found;
            }
        }
    };
    match timeout(PATIENCE, found).await {
        Ok(found) => found,
        Err(_elapsed) => panic!("not within {PATIENCE:?}: {what}"),
    }
}
