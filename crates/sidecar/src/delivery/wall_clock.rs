//! That the machine's clock was set: whoever waits for an instant of it waits longer by that, or shorter.

use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// By less it is only adjusted, or the look came late.
const STEP: Duration = Duration::from_millis(250);

static SET: LazyLock<watch::Sender<()>> = LazyLock::new(|| {
    let watching = thread::Builder::new().name("wall-clock".to_owned()).spawn(watch);
    watching.expect("a process that cannot start a few threads cannot serve");
    watch::Sender::new(())
});

/// Changes each time that the clock is set, and when the machine has slept: the monotonic clock stood still then.
pub(super) fn settings() -> watch::Receiver<()> {
    SET.subscribe()
}

fn watch() {
    let mut before = Clocks::read();
    loop {
        thread::sleep(LOOK);
        let now = Clocks::read();
        if let Some(by_s) = now.set_since(&before) {
            before = now;
            tracing::warn!(by_s, "the clock of this machine was set, or it slept");
            SET.send_replace(());
        }
    }
}

struct Clocks {
    goes_on: Instant,
    wall: Duration,
}

impl Clocks {
    fn read() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { goes_on: Instant::now(), wall }
    }

    /// By how many seconds the wall clock was set since `before`, where it was.
    fn set_since(&self, before: &Self) -> Option<f64> {
        let expected = before.wall + (self.goes_on - before.goes_on);
        let by = self.wall.abs_diff(expected);
        let sign = if self.wall < expected { -1.0 } else { 1.0 };
        (by >= STEP).then_some(sign * by.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_goes_on_was_not_set_and_one_that_jumps_either_way_was() {
        let before = Clocks { goes_on: Instant::now(), wall: Duration::from_secs(100_000) };
        let later = |wall_s: f64| Clocks {
            goes_on: before.goes_on + Duration::from_secs(10),
            wall: Duration::from_secs_f64(wall_s),
        };
        for (wall_s, by_s) in [
            (100_010.0, None),
            (100_010.1, None),
            (103_610.0, Some(3_600.0)),
            (96_410.0, Some(-3_600.0)),
            (100_000.0, Some(-10.0)),
        ] {
            assert_eq!(later(wall_s).set_since(&before), by_s, "{wall_s}");
        }
    }
}
