//! Named points at which a test can have the process die, as a loss of power would have it.

use std::time::Duration;

/// Kills the process here, without a word to anybody, where `SENDGATE_FAIL` says `NAME` or `NAME:NTH`.
///
/// Only with the feature `fail-points`, which no release has; else it is nothing.
#[inline]
pub fn point(name: &str) {
    #[cfg(feature = "fail-points")]
    points::reach(name);
    #[cfg(not(feature = "fail-points"))]
    let _ = name;
}

/// A lease of this time, or a fifth where `SENDGATE_SHORT_LEASES` is set: whoever kills many processes waits for theirs.
///
/// Only with the feature `fail-points`; else it is that time.
#[inline]
pub fn shortened(lease: Duration) -> Duration {
    #[cfg(feature = "fail-points")]
    if points::leases_are_short() {
        return lease / 5;
    }
    lease
}

#[cfg(feature = "fail-points")]
mod points {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static SHORT: OnceLock<bool> = OnceLock::new();
    static AIM: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static REACHED: AtomicU64 = AtomicU64::new(0);

    pub(super) fn leases_are_short() -> bool {
        *SHORT.get_or_init(|| std::env::var_os("SENDGATE_SHORT_LEASES").is_some())
    }

    pub(super) fn reach(name: &str) {
        let aim = AIM.get_or_init(|| {
            let told = std::env::var("SENDGATE_FAIL").ok()?;
            let (name, nth) = told.split_once(':').unwrap_or((&told, "1"));
            Some((name.to_owned(), nth.parse().ok()?))
        });
        let Some((aimed, nth)) = aim else { return };
        if aimed == name && REACHED.fetch_add(1, Ordering::AcqRel) + 1 == *nth {
            let own = rustix::process::getpid();
            let _sent = rustix::process::kill_process(own, rustix::process::Signal::KILL);
            // The signal is on its way; nothing more may happen here.
            loop {
                std::thread::park();
            }
        }
    }
}
