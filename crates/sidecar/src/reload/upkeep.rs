//! What registries have to be asked again, and when.

use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::backoff;
use crate::modules::Pulled;

/// Never at once: each attempt reads and compiles what there is.
const LEAST: Duration = Duration::from_millis(500);

/// When registries are asked without any file having changed: soon after they could not give a module, and at times for
/// what tags lead to.
pub(crate) struct Upkeep {
    in_force: Pulled,
    /// Of the last attempt, where that is another.
    tried: Option<Pulled>,
    due: Option<Instant>,
    failures: u32,
}

impl Upkeep {
    pub(crate) fn new(in_force: Pulled) -> Self {
        let due = in_force.refresh().map(|refresh| Instant::now() + refresh);
        Self { in_force, tried: None, due, failures: 0 }
    }

    /// Waits until something is due; for ever where nothing is.
    pub(crate) async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Makes it time now.
    pub(crate) fn hasten(&mut self) {
        self.due = Some(Instant::now());
    }

    /// Whether it is time, and modules are to be had that were not, or tags have moved.
    pub(crate) async fn wants_reload(&mut self) -> bool {
        if self.due.is_none_or(|due| due > Instant::now()) {
            return false;
        }
        let last = self.tried.as_ref().unwrap_or(&self.in_force);
        if last.failed() || last.moved().await {
            return true;
        }
        self.due = last.refresh().map(|refresh| Instant::now() + refresh);
        false
    }

    /// What came of an attempt that asked for modules, if it came so far.
    pub(crate) async fn tried(&mut self, pulled: Option<Pulled>, applied: bool) {
        let Some(mut pulled) = pulled else {
            // The files have to change first, which gives another attempt.
            self.due = None;
            return;
        };
        if applied {
            pulled.remember().await;
        }
        pulled.prune(&self.in_force).await;
        self.failures = if pulled.failed() { self.failures.saturating_add(1) } else { 0 };
        let wait = match self.failures {
            0 => pulled.refresh(),
            failures => Some(backoff::delay(failures, Some(LEAST), fastrand::f64())),
        };
        self.due = wait.map(|wait| Instant::now() + wait);
        if applied {
            (self.in_force, self.tried) = (pulled, None);
        } else {
            self.tried = Some(pulled);
        }
    }
}
