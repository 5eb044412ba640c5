//! The decision log: what policies decided and what that rests on, off the path of the request.
//!
//! A request copies what it has and tries to queue it; a thread takes out what the log must not show, and writes. Where
//! the queue is full, or the file cannot be written, records are lost and counted, and nothing else happens.

mod file;
pub(crate) mod form;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod late;
pub(crate) mod lines;
pub(crate) mod read;
mod redactor;
mod said;
mod worker;
pub(crate) mod written;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use policy_host::{Candidate, Cleared, Decision, Mode, NotCleared};
use serde_json::{Value, json};
use store::Secret;
use telemetry::Records;

use self::file::LogFile;
use self::form::End;
use self::worker::Worker;
use crate::config::Decisions;
use crate::in_force::InForce;

pub(crate) use self::late::{SecondLooks, end_of_look};
pub(crate) use self::redactor::Redactor;

/// How long the end waits before it looks again whether the queue has room for it.
const PAUSE: Duration = Duration::from_millis(5);

/// Takes decisions in for the log.
pub(crate) struct DecisionLog {
    queue: SyncSender<Job>,
    /// One message in so many is recorded.
    sample: u64,
    seen: AtomicU64,
    tally: Arc<Tally>,
    collector: Option<Records>,
}

/// One message's way through the policies, as the request has it.
pub(crate) struct Entry {
    /// The message as it came.
    pub(crate) candidate: Candidate,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) end: End,
    pub(crate) in_force: Arc<InForce>,
    /// Whether it was decided before a late call, and not at its acceptance.
    pub(crate) is_second_look: bool,
}

enum Job {
    Write(Box<Entry>),
    /// Writes what came before, tells, and ends.
    End(SyncSender<()>),
}

/// What has become of records since the start.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The file has them; without one, the collector was sent them.
    written: AtomicU64,
    /// The queue was full.
    dropped: AtomicU64,
    /// The file did not take them.
    failed: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl DecisionLog {
    /// Starts the thread that writes as `settings` say, and sends to the collector by `records`; nothing where neither is
    /// wanted. A file that cannot be opened yet is told, and tried again.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub(crate) fn start(
        settings: &Decisions,
        secret: &Secret,
        records: Option<Records>,
    ) -> io::Result<Option<Self>> {
        let records = records.filter(|_| settings.otlp);
        if settings.otlp && records.is_none() {
            tracing::warn!("[decisions] otlp has no collector to send to; set [telemetry] otlp");
        }
        if settings.path.is_none() && records.is_none() {
            return Ok(None);
        }
        let (queue, jobs) = sync_channel(settings.queue);
        let tally = Arc::new(Tally::default());
        let redactor = Redactor::new(secret, settings.whole_text, settings.whole_numbers);
        let file = settings.path.clone();
        let file = file.map(|path| LogFile::new(path, settings.max_bytes, settings.keep));
        let collector = records.clone();
        let worker = Worker::new(file, records, redactor, Arc::clone(&tally));
        thread::Builder::new().name("decisions".to_owned()).spawn(move || worker.run(&jobs))?;
        let (sample, seen) = (settings.sample, AtomicU64::new(0));
        Ok(Some(Self { queue, sample, seen, tally, collector }))
    }

    /// A copy of `candidate`, where it is to be recorded.
    pub(crate) fn begin(&self, candidate: &Candidate) -> Option<Candidate> {
        self.is_sampled().then(|| candidate.clone())
    }

    fn is_sampled(&self) -> bool {
        self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.sample)
    }

    /// Queues what became of `candidate`; lost, and counted, where there is no room.
    pub(crate) fn end(
        &self,
        candidate: Candidate,
        ended: &Result<Cleared, Box<NotCleared>>,
        in_force: &Arc<InForce>,
    ) {
        let (decisions, end) = match ended {
            Ok(cleared) => (cleared.decisions().to_vec(), written::end(None)),
            Err(not) => (not.trail.decisions.clone(), stopped(not)),
        };
        let in_force = Arc::clone(in_force);
        self.queue(Entry { candidate, decisions, end, in_force, is_second_look: false });
    }

    fn queue(&self, entry: Entry) {
        let entry = Box::new(entry);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.queue.try_send(Job::Write(entry))
        {
            self.tally.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells how many records came to what since the start, by its word.
    pub(crate) fn tell(&self, mut tell: impl FnMut(&'static str, u64)) {
        let Tally { written, dropped, failed, .. } = &*self.tally;
        for (word, count) in [("written", written), ("dropped", dropped), ("failed", failed)] {
            tell(word, count.load(Ordering::Relaxed));
        }
        if let Some(collector) = &self.collector {
            tell("collector_dropped", collector.dropped());
        }
    }

    /// For `/readyz`.
    pub(crate) fn shown(&self) -> Value {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        json!({
            "written": count(&self.tally.written),
            "dropped": count(&self.tally.dropped),
            "failed": count(&self.tally.failed),
            // The collector was away, slow or refused them.
            "collector_dropped": self.collector.as_ref().map(Records::dropped),
            "trouble": self.tally.trouble(),
        })
    }

    /// Writes what is queued, for `most` at most. Blocks.
    pub(crate) fn close(&self, most: Duration) {
        let deadline = Instant::now() + most;
        let (done, written) = sync_channel(1);
        let mut job = Job::End(done);
        loop {
            match self.queue.try_send(job) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(_)) if Instant::now() >= deadline => return,
                Err(TrySendError::Full(back)) => job = back,
            }
            thread::sleep(PAUSE);
        }
        // Who does not answer in time has a disk that does not.
        let _ = written.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

impl Tally {
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// The decision that stopped a message is the last that counts.
fn stopped(not: &NotCleared) -> End {
    let of_policy = |decision: &&Decision| decision.mode == Mode::Enforce;
    let last = not.trail.decisions.iter().rev().find(of_policy);
    written::end(last.map(|decision| (not.policy.as_str(), &decision.verdict)))
}

impl fmt::Debug for DecisionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionLog").field("tally", &self.tally).finish_non_exhaustive()
    }
}
