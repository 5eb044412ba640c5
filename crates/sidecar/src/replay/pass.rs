//! One way through the logs.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use store::MemoryLedger;
use tokio::task::JoinHandle;

use super::judge::{Judged, Why};
use super::log::Log;
use super::policies::{Decider, Policies, TIME};
use super::progress::Progress;
use super::report::Report;
use super::{Failure, Wanted};
use crate::decisions::form::{Line, Record};
use crate::decisions::lines::{self, LINE_BYTES, Raw};

/// Lines that one task takes, and bytes after which it takes no more; tasks for each core that may wait for their turn.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 << 20;
const AHEAD: usize = 4;
/// How a line begins that tells policies; these must be known before the records after them are decided.
const GENERATION: &[u8] = b"{\"generation\":";
/// Most records that may run out of time.
const MOST_LATE: u64 = 5;

pub(super) struct Pass {
    logs: Vec<(PathBuf, File)>,
    wanted: Wanted,
    /// What guesses; without it the pass ends at the first record that wants a guess.
    memory: Option<Arc<MemoryLedger>>,
    progress: Progress,
    report: Report,
    waiting: VecDeque<JoinHandle<Batch>>,
    ahead: usize,
    late: u64,
}

/// What a line holds.
enum Read {
    Record(Box<Record>, Option<Judged>),
    Fault(String),
}

/// Lines that were read, and what decides them.
type Batch = (Judges, Vec<(usize, Read)>);
type Judges = Arc<HashMap<u64, Decider>>;

impl Pass {
    pub(super) fn open(
        logs: &[Log],
        wanted: Wanted,
        memory: Option<Arc<MemoryLedger>>,
    ) -> Result<Self, Failure> {
        let unread = |path: &Path| {
            let path = path.to_owned();
            move |err| Failure::Unread(path, err)
        };
        let (mut opened, mut bytes) = (Vec::with_capacity(logs.len()), 0);
        for log in logs {
            let file = log.open().map_err(unread(&log.path))?;
            bytes += file.metadata().map_err(unread(&log.path))?.len();
            opened.push((log.path.clone(), file));
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            logs: opened,
            wanted,
            memory,
            progress: Progress::of(bytes),
            report: Report::default(),
            waiting: VecDeque::new(),
            ahead: AHEAD * cores,
            late: 0,
        })
    }

    /// What was found; nothing where a guess was wanted and there is no memory.
    pub(super) async fn run(mut self, policies: &mut Policies) -> Result<Option<Report>, Failure> {
        for (path, file) in std::mem::take(&mut self.logs) {
            policies.begin_file();
            if !self.read(&path, file, policies).await? {
                return Ok(None);
            }
        }
        policies.found()?;
        Ok(Some(self.report))
    }

    async fn read(
        &mut self,
        path: &Path,
        file: File,
        policies: &mut Policies,
    ) -> Result<bool, Failure> {
        let mut from = BufReader::with_capacity(1 << 20, file);
        let (mut batch, mut number, mut size) = (Vec::with_capacity(BATCH), 0, 0);
        let mut judges: Judges = Arc::default();
        loop {
            let next = lines::next(&mut from, LINE_BYTES);
            let next = next.map_err(|err| Failure::Unread(path.into(), err))?;
            let Some((raw, bytes)) = next else { break };
            number += 1;
            size += bytes;
            let raw = if number == 1 { raw.without_mark() } else { raw };
            self.progress.on(bytes);
            match raw {
                Raw::Whole(line) if line.starts_with(GENERATION) => {
                    self.send(&mut batch, &judges);
                    let place = place(path, number);
                    match serde_json::from_slice(&line) {
                        Ok(Line::Generation(told)) => policies.told(told, &place).await?,
                        _ => self.report.pass_over(&place, NO_LINE, self.wanted.all),
                    }
                    judges = Arc::new(policies.by_generation());
                }
                // Where a process was killed, and another went on.
                Raw::Whole(line) if line.is_empty() => {}
                raw => batch.push((number, raw)),
            }
            if batch.len() >= BATCH || size >= BATCH_BYTES {
                self.send(&mut batch, &judges);
                size = 0;
                if self.waiting.len() >= self.ahead && !self.hear(path).await? {
                    return Ok(false);
                }
            }
        }
        self.send(&mut batch, &judges);
        while !self.waiting.is_empty() {
            if !self.hear(path).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has a task read `batch`, and decide it where nothing is guessed.
    fn send(&mut self, batch: &mut Vec<(usize, Raw)>, judges: &Judges) {
        if batch.is_empty() {
            return;
        }
        let batch = std::mem::replace(batch, Vec::with_capacity(BATCH));
        let (judges, in_order) = (Arc::clone(judges), self.memory.is_some());
        let notes = self.wanted.notes;
        self.waiting.push_back(tokio::spawn(async move {
            let (mut read, mut late) = (Vec::with_capacity(batch.len()), 0);
            for (number, raw) in batch {
                let mut each = parsed(raw);
                if let (Read::Record(record, judged), false) = (&mut each, in_order) {
                    let decided = decided(&judges, record, None, notes).await;
                    late += u64::from(decided.out_of_time);
                    *judged = Some(decided);
                }
                read.push((number, each));
                if late >= MOST_LATE {
                    break;
                }
            }
            (judges, read)
        }));
    }

    /// Takes in what the oldest task has come to; `false` where a guess is wanted.
    async fn hear(&mut self, path: &Path) -> Result<bool, Failure> {
        let Some(oldest) = self.waiting.pop_front() else { return Ok(true) };
        let (judges, read) = oldest.await.map_err(std::io::Error::other)?;
        for (number, each) in read {
            let place = place(path, number);
            let (record, judged) = match each {
                Read::Fault(what) => {
                    self.report.pass_over(&place, &what, self.wanted.all);
                    continue;
                }
                Read::Record(record, judged) => (record, judged),
            };
            let judged = match judged {
                Some(judged) => judged,
                None => decided(&judges, &record, self.memory.as_ref(), self.wanted.notes).await,
            };
            if judged.guessed && self.memory.is_none() {
                return Ok(false);
            }
            self.late += u64::from(judged.out_of_time);
            if self.late >= MOST_LATE {
                return Err(Failure::OutOfTime(self.late, TIME.as_secs()));
            }
            self.report.take_in(&record, judged, &place, self.wanted.all);
        }
        Ok(true)
    }
}

const NO_LINE: &str = "is no line of a decision log";

fn parsed(raw: Raw) -> Read {
    let line = match raw {
        Raw::Whole(line) => line,
        Raw::TooLong => {
            return Read::Fault(format!("is longer than {LINE_BYTES} bytes"));
        }
        Raw::Torn => return Read::Fault("ends in the middle".to_owned()),
    };
    match serde_json::from_slice(&line) {
        Ok(Line::Decision(record)) => Read::Record(record, None),
        Ok(Line::SecondLook(mut record)) => {
            record.is_second_look = true;
            Read::Record(record, None)
        }
        Ok(Line::Generation(_)) => Read::Fault(NO_LINE.to_owned()),
        // What serde says names the member, and quotes what it found there.
        Err(err) => Read::Fault(format!("{NO_LINE} (column {})", err.column())),
    }
}

async fn decided(
    judges: &Judges,
    record: &Record,
    memory: Option<&Arc<MemoryLedger>>,
    notes: bool,
) -> Judged {
    match judges.get(&record.generation) {
        Some(Decider::By(judge)) => judge.decide(record, memory, notes).await,
        Some(Decider::NoPolicy) => Judged::not(Why::NotAsked),
        Some(Decider::Unfit) => Judged::not(Why::Unfit),
        None => Judged::not(Why::NoSettings),
    }
}

fn place(path: &Path, number: usize) -> String {
    format!("{}:{number}", path.display())
}
