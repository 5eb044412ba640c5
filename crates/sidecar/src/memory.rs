//! Whether there is memory for another send: better to refuse one than to be killed with all that are under way.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer of the system holds.
const FRESH: Duration = Duration::from_millis(250);
/// Where a container's bound is: control groups of version 2, and of version 1.
const BOUNDS: [&str; 2] =
    ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
/// A bound above this is none; version 1 writes a number of this kind.
const NO_BOUND: u64 = 1 << 50;

/// The bound on the process's resident memory; nothing is refused where there is none.
#[derive(Debug)]
pub(crate) struct Memory {
    most: Option<u64>,
    seen: Mutex<Option<(Instant, u64)>>,
}

impl Memory {
    /// Bounded by so many bytes; without a number, by nine tenths of what this container may have.
    pub(crate) fn new(most: Option<u64>) -> Self {
        let most = most.or_else(|| of_container().map(|bound| bound / 10 * 9));
        Self { most, seen: Mutex::default() }
    }

    /// The bytes that it has and those that it may have, where these are fewer.
    pub(crate) fn exceeded(&self) -> Option<(u64, u64)> {
        let most = self.most?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let has = match *seen {
            Some((at, has)) if at.elapsed() < FRESH => has,
            _ => {
                let has = resident().unwrap_or_default();
                *seen = Some((Instant::now(), has));
                has
            }
        };
        (has > most).then_some((has, most))
    }
}

/// The bytes that this container may have, where that is bounded.
pub(crate) fn of_container() -> Option<u64> {
    let bounds = BOUNDS.iter().filter_map(|path| fs::read_to_string(path).ok());
    let mut bounds = bounds.filter_map(|text| text.trim().parse::<u64>().ok());
    bounds.find(|bound| *bound < NO_BOUND)
}

/// Resident bytes of this process (proc_pid_status(5)).
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::Memory;

    #[test]
    fn more_than_may_be_is_told_and_less_is_not() {
        let (has, most) = Memory::new(Some(1)).exceeded().expect("a process has more than a byte");
        assert!(has > 1 << 16 && most == 1, "{has} of {most}");
        assert_eq!(Memory::new(Some(u64::MAX)).exceeded(), None);
    }
}
