//! `sendgate replay`: what a decision log tells, decided again by other policies, and what would change.
//!
//! Decisions that rest on recorded answers alone are taken on all cores. Where one asks for state that the log does not
//! tell, all of them are taken once more, one after the other in the order of the log, and a ledger in memory that is
//! driven by the log's clock guesses: so the same logs and policies always give the same report.

mod failure;
mod judge;
mod log;
mod pass;
mod policies;
mod progress;
mod report;
mod tape;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::MemoryLedger;

use self::log::Log;
use self::pass::Pass;
use self::policies::{Asked, Policies};
use self::report::Report;
use crate::cli::By;
use crate::config::Environment;
use crate::decisions::form::Line;
use crate::decisions::lines::{self, LINE_BYTES, Raw};
use crate::terminal;

pub use self::failure::Failure;

/// Most keys of each kind that are remembered for guesses.
const MOST_KEYS: usize = 1_000_000;
/// A file's first record is looked for in so many lines.
const NEAR: usize = 64;

/// What is to be told.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Every id, and every line that was passed over.
    pub all: bool,
    /// Changed notes, too.
    pub notes: bool,
    /// As JSON.
    pub json: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Every decision is taken as it was, as far as the log can tell.
    Nothing,
    /// Some would be taken otherwise; which ones was printed.
    Changes,
}

/// Decides again what `logs` tell, and prints what would change.
///
/// # Errors
///
/// A file that cannot be read or is not what it should be; a policy that cannot be asked.
pub fn replay(
    logs: &[PathBuf],
    by: &By,
    wanted: Wanted,
    environment: &Environment,
) -> Result<Found, Failure> {
    message::facts::warm_up();
    let asked = Asked::read(by, environment)?;
    let (logs, mut remarks) = each_once(logs);
    let found = logs.into_iter().map(|path| {
        let name = path.clone();
        Log::find(path).map_err(|err| Failure::Unread(name, err))
    });
    let (logs, turned) = in_order(found.collect::<Result<_, _>>()?);
    remarks.extend(turned);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = runtime.block_on(replayed(&logs, asked, by.policy.as_deref(), wanted))?;
    report.remarks.extend(remarks);
    let mut out = io::stdout().lock();
    match wanted.json {
        true => writeln!(out, "{}", terminal::json(&report.shown()))?,
        false => report.print(&mut out, logs.len())?,
    }
    if report.compared() == 0 {
        return Err(Failure::NothingCompared(report.decisions));
    }
    Ok(if report.changed == 0 { Found::Nothing } else { Found::Changes })
}

/// Each file once, in the order in which they are named, and a remark on each that is there under another name too: its
/// decisions would count twice.
fn each_once(logs: &[PathBuf]) -> (Vec<PathBuf>, Vec<String>) {
    let mut first: HashMap<(u64, u64), &Path> = HashMap::new();
    let (mut once, mut twice) = (Vec::with_capacity(logs.len()), Vec::new());
    for path in logs {
        // What cannot be looked at is told when it is opened.
        let file = fs::metadata(path).ok().map(|about| (about.dev(), about.ino()));
        if let Some(other) = file.and_then(|file| first.get(&file)) {
            let (path, other) = (path.display(), other.display());
            twice.push(format!("{path} is the same file as {other}, and was read once"));
            continue;
        }
        first.extend(file.map(|file| (file, path.as_path())));
        once.push(path.clone());
    }
    (once, twice)
}

/// The files in the order of their first records, and a remark where that is not the one in which they are named: a shell
/// names the newest first, and what is guessed rests on what came before.
fn in_order(logs: Vec<Log>) -> (Vec<Log>, Option<String>) {
    let begins: Option<Vec<u64>> = logs.iter().map(first_record).collect();
    let Some(begins) = begins.filter(|begins| !begins.is_sorted()) else { return (logs, None) };
    let mut ordered: Vec<_> = begins.into_iter().zip(logs).collect();
    ordered.sort_by_key(|(begins, _)| *begins);
    let logs: Vec<Log> = ordered.into_iter().map(|(_, log)| log).collect();
    let names: Vec<String> = logs.iter().map(|log| log.path.display().to_string()).collect();
    let remark = format!("read in the order of their records: {}", names.join(", "));
    (logs, Some(remark))
}

/// When the first record of a log was decided, in milliseconds since 1970; none where there is none near its beginning.
fn first_record(log: &Log) -> Option<u64> {
    let mut from = BufReader::new(log.open().ok()?);
    for _ in 0..NEAR {
        let (raw, _) = lines::next(&mut from, LINE_BYTES).ok()??;
        if let Raw::Whole(line) = raw.without_mark()
            && let Ok(Line::Decision(record) | Line::SecondLook(record)) =
                serde_json::from_slice(&line)
        {
            return Some(record.at_ms);
        }
    }
    None
}

async fn replayed(
    logs: &[Log],
    asked: Asked,
    policy: Option<&str>,
    wanted: Wanted,
) -> Result<Report, Failure> {
    let mut policies = Policies::open(asked, policy).await?;
    let first = Pass::open(logs, wanted, None)?.run(&mut policies).await?;
    let mut report = match first {
        Some(report) => report,
        None => {
            let memory = Some(Arc::new(MemoryLedger::new(MOST_KEYS)));
            let second = Pass::open(logs, wanted, memory)?.run(&mut policies).await?;
            second.unwrap_or_default()
        }
    };
    if report.decisions == 0 {
        return Err(Failure::NoDecisions(report.passed_over));
    }
    report.remarks.append(&mut policies.remarks);
    Ok(report)
}
