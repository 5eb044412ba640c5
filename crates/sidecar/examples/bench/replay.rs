//! How long a log of decisions takes to be decided again: `cargo xtask bench replay [COUNT]`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Result;
use crate::load::{Load, Serial};
use crate::policies::POLICIES;
use crate::program::{Program, beside};
use crate::stage::{Configuration, Folder};

/// Decisions that are replayed where the command line gives no other number.
pub(crate) const COUNT: usize = 100_000;

/// Has `sendgate` with the four policies write down `count` decisions, then replays them: against the configuration that
/// made them, and against one module.
pub(crate) async fn measure(count: usize) -> Result<()> {
    let folder = Folder::new("replay")?;
    let upstream = Program::own(&["upstream"], &folder.logs()).await?;
    let log = folder.path().join("decisions.jsonl");
    // More in one file and in the queue than there will be, so that none is lost or rotated away.
    let more =
        format!("[decisions]\npath = {log:?}\nmax_bytes = 2147483648\nkeep = 1\nqueue = 65536\n");
    let to = upstream.address.to_string();
    let config = Configuration { plivo: &to, policies: 4, more: &more, ..Configuration::default() };
    let config = config.write(folder.path())?;
    let sendgate = Program::sendgate(&config, &folder.logs()).await?;
    let (serial, load) = (Serial::default(), Load::Closed { connections: 64 });
    while lines(&log)? <= count {
        load.apply(sendgate.address, &serial, Duration::from_secs(1)).await?;
    }
    drop(sendgate);

    println!(
        "{} decisions by four policies, {} MB",
        lines(&log)? - 1,
        fs::metadata(&log)?.len() >> 20
    );
    let module = POLICIES[1].module(folder.path());
    for (by, value) in [("--config", &config), ("--candidate", &module)] {
        let began = Instant::now();
        let mut replay = Command::new(beside("sendgate")?);
        let said = replay.arg("replay").arg(&log).arg(by).arg(value).output()?;
        let took = began.elapsed();
        if !said.status.success() {
            return Err(format!("replay {by}: {}", String::from_utf8_lossy(&said.stderr)).into());
        }
        let told = String::from_utf8_lossy(&said.stdout);
        let first = told.lines().next().unwrap_or_default();
        println!("{by:<12} {:>6.2} s: {first}", took.as_secs_f64());
    }
    Ok(())
}

fn lines(log: &Path) -> Result<usize> {
    Ok(if log.exists() { fs::read(log)?.iter().filter(|byte| **byte == b'\n').count() } else { 0 })
}
