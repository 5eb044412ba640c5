//! The thread that writes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use telemetry::Records;

use super::file::LogFile;
use super::form::Line;
use super::said::Said;
use super::{Entry, Job, Redactor, Tally, written};

/// How long a file that could not be written is left alone, and a loss is not told again.
const PAUSE: Duration = Duration::from_secs(1);
const TOLD_EVERY: Duration = Duration::from_secs(60);

pub(super) struct Worker {
    file: Option<LogFile>,
    collector: Option<Records>,
    redactor: Redactor,
    tally: Arc<Tally>,
    /// The generation whose line stands in the file last.
    told: Option<u64>,
    /// What the collector was told of generations last.
    said: Option<Said>,
    line: Vec<u8>,
    /// Records that are on their way to the file, and count as neither written nor failed.
    gathered: u64,
    failed_at: Option<Instant>,
    /// Records that were lost when the log was last told so.
    lost: u64,
    lost_told: Option<Instant>,
}

impl Worker {
    pub(super) fn new(
        file: Option<LogFile>,
        collector: Option<Records>,
        redactor: Redactor,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            file,
            collector,
            redactor,
            tally,
            told: None,
            said: None,
            line: Vec::new(),
            gathered: 0,
            failed_at: None,
            lost: 0,
            lost_told: None,
        }
    }

    /// Writes what comes until it is told to end.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        // Before the first record: who looks finds out whether it can be written.
        if let Some(Err(err)) = self.file.as_mut().map(LogFile::open) {
            self.fail(&err);
        }
        loop {
            let job = match jobs.try_recv() {
                Ok(job) => Ok(job),
                Err(TryRecvError::Empty) => {
                    // Nobody waits behind it: now whoever reads the file may have it.
                    self.flush();
                    self.tell_losses();
                    jobs.recv()
                }
                Err(TryRecvError::Disconnected) => break,
            };
            match job {
                Ok(Job::Write(entry)) => self.write(&entry),
                Ok(Job::End(done)) => {
                    self.flush();
                    self.tell_losses();
                    // Whoever asked may have stopped waiting.
                    let _ = done.try_send(());
                    return;
                }
                Err(_) => break,
            }
        }
        self.flush();
    }

    fn flush(&mut self) {
        if let Err(err) = self.try_flush() {
            self.fail(&err);
        }
    }

    /// Counts what was gathered as written once the file has it.
    fn try_flush(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.flush()?;
        // That it went well says nothing where there was nothing to write.
        if self.gathered == 0 {
            return Ok(());
        }
        if self.failed_at.take().is_some() {
            tracing::info!(path = %file.path().display(), "the decision log is written again");
            self.tally.set_trouble(None);
        }
        self.tally.written.fetch_add(self.gathered, Ordering::Relaxed);
        self.gathered = 0;
        Ok(())
    }

    fn write(&mut self, entry: &Entry) {
        self.line.clear();
        let line = written::record(entry, &mut self.redactor);
        if let Err(err) = append(&mut self.line, &line) {
            tracing::error!(error = %err, "a decision could not be written as JSON");
            self.tally.failed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.send(entry);
        if self.file.is_none() {
            self.tally.written.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if self.failed_at.is_some_and(|at| at.elapsed() < PAUSE) {
            self.tally.failed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let put = self.put(entry);
        self.gathered += 1;
        if let Err(err) = put {
            self.fail(&err);
        }
    }

    fn put(&mut self, entry: &Entry) -> io::Result<()> {
        let generation = Some(entry.in_force.chain.generation().0);
        let Some(file) = &mut self.file else { return Ok(()) };
        if file.open()? {
            self.told = None;
        }
        let mut header = Vec::new();
        if self.told != generation {
            append(&mut header, &written::generation(&entry.in_force, &mut self.redactor))?;
        }
        let bytes = header.len() + self.line.len();
        let is_full = file.is_full(bytes);
        if is_full || !file.gathers(bytes) {
            self.try_flush()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        if is_full {
            file.begin_anew()?;
            if header.is_empty() {
                append(&mut header, &written::generation(&entry.in_force, &mut self.redactor))?;
            }
        }
        file.write(&header)?;
        self.told = generation;
        file.write(&self.line)
    }

    /// Sends the same line to the collector.
    fn send(&mut self, entry: &Entry) {
        let Some(collector) = &self.collector else { return };
        let at = UNIX_EPOCH + Duration::from_millis(entry.candidate.now.0);
        let generation = entry.in_force.chain.generation().0;
        let holds = |said: &Said| said.holds(generation, collector.undelivered());
        if !self.said.as_ref().is_some_and(holds) {
            let mut header = Vec::new();
            let line = written::generation(&entry.in_force, &mut self.redactor);
            if append(&mut header, &line).is_ok() {
                let (dropped, undelivered) = (collector.dropped(), collector.undelivered());
                collector.send("sendgate.policies", at, text(&header), []);
                let found_room = collector.dropped() == dropped;
                self.said = found_room.then(|| Said::now(generation, undelivered));
            }
        }
        if let Some(said) = &mut self.said {
            said.goes_before_one_more();
        }
        let end = &entry.end;
        let attributes = [
            ("sendgate.message.id", entry.candidate.message.id.to_string()),
            ("sendgate.app", entry.candidate.app.to_string()),
            ("sendgate.verdict", end.verdict.clone()),
            ("sendgate.code", end.code.clone().unwrap_or_default()),
        ];
        let what = if entry.is_second_look { "sendgate.second_look" } else { "sendgate.decision" };
        collector.send(what, at, text(&self.line), attributes);
    }

    /// Gives up what was gathered, and remembers and tells that the file takes nothing.
    fn fail(&mut self, err: &io::Error) {
        let Some(file) = &mut self.file else { return };
        file.give_up();
        let path = file.path().display();
        if self.failed_at.is_none() {
            tracing::error!(
                path = %path, error = %err,
                "the decision log cannot be written; decisions are not recorded, and messages go on"
            );
        }
        self.failed_at = Some(Instant::now());
        // What was in the buffer may be half in the file.
        self.told = None;
        self.tally.set_trouble(Some(format!("{path}: {err}")));
        self.tally.failed.fetch_add(std::mem::take(&mut self.gathered), Ordering::Relaxed);
    }

    fn tell_losses(&mut self) {
        let lost = self.tally.dropped.load(Ordering::Relaxed);
        let is_due = self.lost_told.is_none_or(|told| told.elapsed() >= TOLD_EVERY);
        if lost > self.lost && is_due {
            tracing::warn!(
                dropped = lost - self.lost,
                "decisions came faster than the decision log is written; raise [decisions] queue, or sample"
            );
            (self.lost, self.lost_told) = (lost, Some(Instant::now()));
        }
    }
}

fn append(line: &mut Vec<u8>, what: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *line, what)?;
    line.push(b'\n');
    Ok(())
}

/// A line without its end.
fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().to_owned()
}
