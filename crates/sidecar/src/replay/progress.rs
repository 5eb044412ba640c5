//! How far it is, for whoever waits at a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(100);
const WIDTH: usize = 40;

/// A bar on standard error; nothing where that is no terminal.
#[derive(Debug)]
pub(super) struct Progress {
    whole: u64,
    done: u64,
    shown: Option<Instant>,
    is_seen: bool,
}

impl Progress {
    pub(super) fn of(whole: u64) -> Self {
        Self { whole, done: 0, shown: None, is_seen: io::stderr().is_terminal() }
    }

    pub(super) fn on(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if self.is_seen && self.shown.is_none_or(|shown| shown.elapsed() >= EVERY) {
            self.shown = Some(Instant::now());
            // Nobody can be told that standard error is gone.
            drop(write!(io::stderr(), "\r{}", bar(self.done, self.whole)));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            drop(write!(io::stderr(), "\r{}\r", " ".repeat(WIDTH + 8)));
        }
    }
}

fn bar(done: u64, whole: u64) -> String {
    let percent = (done.min(whole) * 100).checked_div(whole).unwrap_or(100);
    let full = usize::try_from(percent).unwrap_or(100) * WIDTH / 100;
    format!("[{}{}] {percent:>3} %", "#".repeat(full), " ".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn a_bar_is_as_full_as_the_work_is_done() {
        assert_eq!(bar(0, 10), format!("[{}]   0 %", " ".repeat(40)));
        assert_eq!(bar(5, 10), format!("[{}{}]  50 %", "#".repeat(20), " ".repeat(20)));
        assert_eq!(
            bar(11, 10),
            format!("[{}] 100 %", "#".repeat(40)),
            "a file that grew meanwhile"
        );
        assert_eq!(bar(0, 0), format!("[{}] 100 %", "#".repeat(40)));
    }
}
