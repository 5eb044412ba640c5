//! The load on one program for a while.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Result;
use crate::connection::Connection;
use crate::sample::{Asking, SENDS};

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

/// When the last request was.
#[derive(Clone)]
pub(crate) enum Until {
    Over(Duration),
    Sent(u64),
    /// Somebody says so.
    Told(Arc<AtomicBool>),
}

/// Requests answered in a time.
#[derive(Default)]
pub(crate) struct Answered {
    pub(crate) elapsed: Duration,
    /// Of those answered as they should be, in ascending order; never empty.
    pub(crate) latencies: Vec<Duration>,
    /// The others, and the first of them in words.
    pub(crate) failed: usize,
    why: Option<String>,
}

/// Which request is next.
#[derive(Clone, Default)]
pub(crate) struct Serial(Arc<AtomicU64>);

/// When a connection's next request is due.
#[derive(Clone)]
struct Schedule {
    from: Instant,
    /// Between two requests; `None` where the next one is due as soon as a connection is free.
    every: Option<Duration>,
    until: Until,
    taken: Arc<AtomicU64>,
}

impl Load {
    /// Has the app send for `time` and waits for the last answers.
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
        let answered = self.keep_up(to, SENDS, serial.clone(), Until::Over(time)).await?;
        answered.is_well()?;
        Ok(answered)
    }

    /// Asks until that is over and waits for the last answers. What is not answered as it should be is counted.
    ///
    /// # Errors
    ///
    /// Where nothing is answered as it should be, or connections are not taken.
    pub(crate) async fn keep_up(
        self,
        to: SocketAddr,
        asking: Asking,
        serial: Serial,
        until: Until,
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
        let every = match self {
            Self::Closed { .. } => None,
            Self::Open { per_s } => Some(Duration::from_secs(1) / per_s),
        };
        let schedule = Schedule { from, every, until, taken: Arc::default() };
        for connection in connections {
            tasks.spawn(send(to, connection, asking, serial.clone(), schedule.clone()));
        }
        let mut all = Answered::default();
        while let Some(ended) = tasks.join_next().await {
            let Answered { latencies, failed, why, .. } = ended??;
            all.latencies.extend(latencies);
            all.failed += failed;
            all.why = all.why.or(why);
        }
        all.elapsed = from.elapsed();
        all.latencies.sort_unstable();
        if all.latencies.is_empty() {
            all.is_well()?;
            return Err("not one request was answered".into());
        }
        Ok(all)
    }
}

impl Schedule {
    /// The instant that the next request's latency counts from; `None` once there are no more.
    ///
    /// Where a connection was free in time, that is when the timer let it go: timers of a millisecond's grain would
    /// otherwise be measured as the program's. Where none was free, it is when the request was due.
    async fn next(&self) -> Option<Instant> {
        let nth = self.taken.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let due = match self.every {
            Some(every) => self.from + every * u32::try_from(nth).ok()?,
            None => now,
        };
        if self.until.has_come(nth, due - self.from) {
            return None;
        }
        if due <= now {
            return Some(due);
        }
        tokio::time::sleep_until(due.into()).await;
        Some(Instant::now())
    }
}

impl Until {
    /// Whether the `nth` request, counted from 0, that would be due after such a time is one too many.
    fn has_come(&self, nth: u64, after: Duration) -> bool {
        match self {
            Self::Over(time) => after >= *time,
            Self::Sent(count) => nth >= *count,
            Self::Told(told) => told.load(Ordering::Relaxed),
        }
    }
}

impl Serial {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Answered {
    /// All of these together, one after the other.
    pub(crate) fn all(parts: Vec<Self>) -> Self {
        let mut all = Self::default();
        for Self { elapsed, latencies, failed, why } in parts {
            all.elapsed += elapsed;
            all.latencies.extend(latencies);
            all.failed += failed;
            all.why = all.why.or(why);
        }
        all.latencies.sort_unstable();
        all
    }

    /// The latency that `share` of all requests were answered within.
    pub(crate) fn within(&self, share: f64) -> Duration {
        crate::report::quantile(&self.latencies, share)
    }

    pub(crate) fn count(&self) -> usize {
        self.latencies.len()
    }

    /// Of those answered as they should be, in a second.
    pub(crate) fn per_s(&self) -> f64 {
        self.count() as f64 / self.elapsed.as_secs_f64()
    }

    /// How many of those answered as they should be took longer than `time`.
    pub(crate) fn slower_than(&self, time: Duration) -> usize {
        self.latencies.len() - self.latencies.partition_point(|latency| *latency <= time)
    }

    /// # Errors
    ///
    /// Where one was not answered as it should be.
    pub(crate) fn is_well(&self) -> Result<()> {
        match &self.why {
            None => Ok(()),
            Some(why) => {
                let all = self.failed + self.count();
                Err(format!("{} of {all} requests failed, one of them so: {why}", self.failed)
                    .into())
            }
        }
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
    to: SocketAddr,
    mut connection: Connection,
    asking: Asking,
    serial: Serial,
    schedule: Schedule,
) -> Result<Answered> {
    let mut own = Answered::default();
    while let Some(from) = schedule.next().await {
        match connection.ask(asking, serial.next()).await {
            Ok(()) => own.latencies.push(from.elapsed()),
            Err(err) => {
                own.failed += 1;
                own.why.get_or_insert_with(|| err.to_string());
                // Whatever is left on the old one is no answer to the next request.
                connection = Connection::open(to).await?;
            }
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Answered, Until};

    #[test]
    fn a_load_ends_with_its_last_request() {
        let ms = Duration::from_millis;
        let (time, count) = (Until::Over(ms(10)), Until::Sent(3));

        assert!(!time.has_come(1_000, ms(9)) && time.has_come(0, ms(10)));
        assert!(!count.has_come(2, ms(10_000)) && count.has_come(3, ms(0)));
    }

    #[test]
    fn slower_than_a_time_is_what_took_longer_than_it() {
        let latencies = [1, 10, 10, 11, 12].map(Duration::from_millis).to_vec();
        let answered = Answered { latencies, ..Answered::default() };

        assert_eq!(answered.slower_than(Duration::from_millis(10)), 2);
        assert_eq!(answered.slower_than(Duration::from_millis(12)), 0);
    }
}
