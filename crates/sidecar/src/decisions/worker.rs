//! The thread that writes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use telemetry::Records;

use super::file::LogFile;
use super::form::Line;
use super::{Entry, Job, Redactor, Tally, written};

/// How long a file that could not be written is left alone, and a loss is not told again.
const PAUSE: Duration = Duration::from_secs(1);
const TOLD_EVERY: Duration = Duration::from_secs(60);

pub(super) struct Worker {
    file: Option<LogFile>,
    collector: Option<Records>,
    redactor: Redactor,
    tally: Arc<Tally>,
    /// The generation whose line stands in the file last, and the one that the collector was told last.
    told: [Option<u64>; 2],
    line: Vec<u8>,
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
            told: [None; 2],
            line: Vec::new(),
            failed_at: None,
            lost: 0,
            lost_told: None,
        }
    }

    /// Writes what comes until it is told to end.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        // Before the first record: who looks finds out whether it can be written.
        let opened = self.file.as_mut().map_or(Ok(()), LogFile::open);
        self.note(opened);
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
        // That it went well says nothing of a file that is not open.
        if let Some(Err(err)) = self.file.as_mut().map(LogFile::flush) {
            self.note(Err(err));
        }
    }

    fn write(&mut self, entry: &Entry) {
        self.line.clear();
        let line = written::record(entry, &mut self.redactor);
        if let Err(err) = append(&mut self.line, &line) {
            tracing::error!(error = %err, "a decision could not be written as JSON");
            return;
        }
        self.send(entry);
        if self.file.is_none() {
            self.tally.written.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let is_down = self.failed_at.is_some_and(|at| at.elapsed() < PAUSE);
        let written = if is_down { None } else { Some(self.put(entry)) };
        let counted = match &written {
            Some(Ok(())) => &self.tally.written,
            Some(Err(_)) | None => &self.tally.failed,
        };
        counted.fetch_add(1, Ordering::Relaxed);
        if let Some(written) = written {
            self.note(written);
        }
    }

    fn put(&mut self, entry: &Entry) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if file.make_room(self.line.len())? {
            self.told[0] = None;
        }
        let generation = Some(entry.in_force.chain.generation().0);
        if self.told[0] != generation {
            let mut header = Vec::new();
            append(&mut header, &written::generation(&entry.in_force, &mut self.redactor))?;
            file.write(&header)?;
            self.told[0] = generation;
        }
        file.write(&self.line)
    }

    /// Sends the same line to the collector.
    fn send(&mut self, entry: &Entry) {
        let Some(collector) = &self.collector else { return };
        let at = UNIX_EPOCH + Duration::from_millis(entry.candidate.now.0);
        let generation = Some(entry.in_force.chain.generation().0);
        if self.told[1] != generation {
            let mut header = Vec::new();
            let line = written::generation(&entry.in_force, &mut self.redactor);
            if append(&mut header, &line).is_ok() {
                collector.send("sendgate.policies", at, text(&header), []);
                self.told[1] = generation;
            }
        }
        let end = &entry.end;
        let attributes = [
            ("sendgate.message.id", entry.candidate.message.id.to_string()),
            ("sendgate.app", entry.candidate.app.to_string()),
            ("sendgate.verdict", end.verdict.clone()),
            ("sendgate.code", end.code.clone().unwrap_or_default()),
        ];
        collector.send("sendgate.decision", at, text(&self.line), attributes);
    }

    /// Remembers whether the file takes records, and tells what has changed.
    fn note(&mut self, outcome: io::Result<()>) {
        let Some(file) = &self.file else { return };
        let path = file.path().display();
        match (outcome, self.failed_at) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                tracing::info!(path = %path, "the decision log is written again");
                self.failed_at = None;
                self.tally.set_trouble(None);
            }
            (Err(err), before) => {
                if before.is_none() {
                    tracing::error!(
                        path = %path, error = %err,
                        "the decision log cannot be written; decisions are not recorded, and messages go on"
                    );
                }
                self.failed_at = Some(Instant::now());
                // What was in the buffer may be half in the file.
                self.told[0] = None;
                self.tally.set_trouble(Some(format!("{path}: {err}")));
            }
        }
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
