//! The load on one program for a while.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::{Result, sample};

/// Requests that may be on their way at once in an open loop; more wait, and their waiting counts.
const OPEN_CONNECTIONS: usize = 128;

/// How requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// On each connection the next as soon as the last is answered.
    Closed { connections: usize },
    /// Evenly, whether or not the earlier ones are answered.
    Open { per_s: u32 },
}

/// Requests answered in a time.
pub(crate) struct Answered {
    pub(crate) elapsed: Duration,
    /// In ascending order; never empty.
    pub(crate) latencies: Vec<Duration>,
}

/// Which request is next.
#[derive(Clone, Default)]
pub(crate) struct Serial(Arc<AtomicU64>);

/// When a connection's next request is due.
#[derive(Clone)]
enum Schedule {
    AsSoonAsMayBe { until: Instant },
    Evenly { from: Instant, every: Duration, slots: u64, taken: Arc<AtomicU64> },
}

impl Load {
    /// Sends for `time` and waits for the last answers.
    ///
    /// # Errors
    ///
    /// Where one request is not answered as it should be.
    pub(crate) async fn apply(
        self,
        to: SocketAddr,
        serial: &Serial,
        time: Duration,
    ) -> Result<Answered> {
        let count = match self {
            Self::Closed { connections } => connections,
            Self::Open { .. } => OPEN_CONNECTIONS,
        };
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Connection::open(to).await?);
        }
        let from = Instant::now();
        let mut tasks = JoinSet::new();
        let schedule = match self {
            Self::Closed { .. } => Schedule::AsSoonAsMayBe { until: from + time },
            Self::Open { per_s } => Schedule::evenly(from, per_s, time),
        };
        for connection in connections {
            tasks.spawn(send(connection, serial.clone(), schedule.clone()));
        }
        let mut latencies = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            latencies.extend(ended??);
        }
        let elapsed = from.elapsed();
        latencies.sort_unstable();
        if latencies.is_empty() {
            return Err("not one request was answered".into());
        }
        Ok(Answered { elapsed, latencies })
    }
}

impl Schedule {
    fn evenly(from: Instant, per_s: u32, time: Duration) -> Self {
        let every = Duration::from_secs(1) / per_s;
        let slots = u64::try_from(time.as_nanos() / every.as_nanos().max(1)).unwrap_or(u64::MAX);
        Self::Evenly { from, every, slots, taken: Arc::default() }
    }

    /// The instant that the next request's latency counts from; `None` once there are no more.
    ///
    /// Where a connection was free in time, that is when the timer let it go: timers of a millisecond's grain would
    /// otherwise be measured as the program's. Where none was free, it is when the request was due.
    async fn next(&self) -> Option<Instant> {
        match self {
            Self::AsSoonAsMayBe { until } => Some(Instant::now()).filter(|now| now < until),
            Self::Evenly { from, every, slots, taken } => {
                let slot = taken.fetch_add(1, Ordering::Relaxed);
                let nth = u32::try_from(slot).ok().filter(|_| slot < *slots)?;
                let due = *from + *every * nth;
                if due <= Instant::now() {
                    return Some(due);
                }
                tokio::time::sleep_until(due.into()).await;
                Some(Instant::now())
            }
        }
    }
}

impl Serial {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Answered {
    /// The latency that `share` of all requests were answered within.
    pub(crate) fn within(&self, share: f64) -> Duration {
        crate::report::quantile(&self.latencies, share)
    }

    pub(crate) fn count(&self) -> usize {
        self.latencies.len()
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { connections } => write!(f, "{connections} at a time"),
            Self::Open { per_s } => write!(f, "{per_s} a second"),
        }
    }
}

async fn send(
    mut connection: Connection,
    serial: Serial,
    schedule: Schedule,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while let Some(from) = schedule.next().await {
        connection.post(&sample::body(serial.next())).await?;
        latencies.push(from.elapsed());
    }
    Ok(latencies)
}
