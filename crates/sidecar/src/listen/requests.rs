//! The requests of one connection: whether one is being served, and who asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// No request is being served: nothing, or part of a head, has arrived since the last answer.
const IDLE: u8 = 0;
/// A request is being served: what is read meanwhile is its body.
const SERVING: u8 = 1;
/// Its place is wanted for another connection; no request is served any more.
const OUT: u8 = 2;

/// What became of a connection's requests, told by whoever serves them.
#[derive(Clone, Debug)]
pub(crate) struct Requests(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// When the connection came.
    born: Instant,
    state: AtomicU8,
    /// Heads that have arrived whole. A request may be served without a read meanwhile, so a look at the state alone
    /// would miss it.
    heads: AtomicU64,
    /// One of its requests proved who asks.
    known: AtomicBool,
    /// When it was last idle, as a place in the order of all such instants of its listener.
    idle_since: AtomicU64,
    put_out: Notify,
}

impl Default for Requests {
    fn default() -> Self {
        Self(Arc::new(Shared {
            born: Instant::now(),
            state: AtomicU8::new(IDLE),
            heads: AtomicU64::default(),
            known: AtomicBool::default(),
            idle_since: AtomicU64::default(),
            put_out: Notify::new(),
        }))
    }
}

impl Requests {
    /// A head has arrived whole. Whether its request is to be served: not where the connection is being ended.
    pub(super) fn begin(&self) -> bool {
        self.0.heads.fetch_add(1, Ordering::AcqRel);
        self.turn(IDLE, SERVING)
    }

    /// Its answer is ready; `now` is the latest place in the order.
    pub(super) fn end(&self, now: u64) {
        self.0.idle_since.store(now, Ordering::Release);
        self.turn(SERVING, IDLE);
    }

    /// Who asks has proved to be somebody.
    pub(crate) fn are_known(&self) {
        self.0.known.store(true, Ordering::Release);
    }

    /// How many heads have arrived whole.
    pub(super) fn heads(&self) -> u64 {
        self.0.heads.load(Ordering::Acquire)
    }

    pub(super) fn serving(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == SERVING
    }

    pub(super) fn is_known(&self) -> bool {
        self.0.known.load(Ordering::Acquire)
    }

    /// Whether it came less than `new` ago, and did not ask yet.
    pub(super) fn is_new(&self, new: Duration) -> bool {
        self.heads() == 0 && self.0.born.elapsed() < new
    }

    /// Which connection is missed least, of those without a request: strangers first, then whoever is idle longest.
    pub(super) fn rank(&self) -> Option<(bool, u64)> {
        let idle = self.0.state.load(Ordering::Acquire) == IDLE;
        idle.then(|| (self.is_known(), self.0.idle_since.load(Ordering::Acquire)))
    }

    /// Ends an idle connection; whether it was idle still.
    pub(super) fn put_out(&self) -> bool {
        let was_idle = self.turn(IDLE, OUT);
        if was_idle {
            self.0.put_out.notify_one();
        }
        was_idle
    }

    /// Waits until its place is wanted for another.
    pub(super) async fn wanted_out(&self) {
        self.0.put_out.notified().await;
    }

    fn turn(&self, from: u8, to: u8) -> bool {
        self.0.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
