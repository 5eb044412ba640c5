//! One of the programs, running.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{interval, timeout};

use crate::{Result, machine};

/// How long a program may take until it listens; `sendgate` compiles its policies before.
const PATIENCE: Duration = Duration::from_secs(120);

/// A process that listens. It ends with this value.
pub(crate) struct Program {
    child: Child,
    /// Of the apps' listener.
    pub(crate) address: SocketAddr,
    /// Where `sendgate` tells operators what is in force.
    pub(crate) admin: Option<SocketAddr>,
}

impl Program {
    /// Starts this benchmark's own program in the role that `words` name. It writes into the folder `logs`.
    pub(crate) async fn own(words: &[&str], logs: &Path) -> Result<Self> {
        let own = std::env::current_exe()?;
        let log = logs.join(format!("{}.log", words[0]));
        Self::start(Command::new(own).args(words), &log, "apps").await
    }

    /// Starts `sendgate` with the configuration at `config`. It writes into the folder `logs`, which must not be one
    /// that it watches: each line would be a change to look into.
    pub(crate) async fn sendgate(config: &Path, logs: &Path) -> Result<Self> {
        let program = beside("sendgate")?;
        let log = logs.join(config.file_name().unwrap_or_default()).with_extension("log");
        Self::start(Command::new(program).args(["run", "--config"]).arg(config), &log, "admin")
            .await
    }

    /// The same, to listen at `address`; it may not do so yet.
    pub(crate) fn spawned(config: &Path, address: SocketAddr, logs: &Path) -> Result<Self> {
        let mut command = Command::new(beside("sendgate")?);
        command.args(["run", "--config"]).arg(config).stdin(Stdio::null());
        let child = command.stdout(File::create(logs.join("starts.log"))?).spawn()?;
        Ok(Self { child, address, admin: None })
    }

    /// Starts it and waits until its listener called `last` listens.
    async fn start(command: &mut Command, log: &Path, last: &str) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let started = command.stdin(Stdio::null()).stdout(File::create(log)?).spawn();
        let mut child = started.map_err(|err| format!("{name}: {err}"))?;
        match timeout(PATIENCE, listening(&mut child, log, last)).await {
            Ok(Ok((address, admin))) => Ok(Self { child, address, admin }),
            failed => {
                end(&mut child);
                Err(match failed {
                    Ok(Err(err)) => format!("{name}: {err}").into(),
                    _ => format!("{name} did not listen within {} s", PATIENCE.as_secs()).into(),
                })
            }
        }
    }

    /// Processor time used so far.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        machine::processor_time(self.child.id())
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        machine::resident(self.child.id())
    }
}

/// The program `name`, which was built beside this example: examples lie in a folder below the programs'.
pub(crate) fn beside(name: &str) -> Result<PathBuf> {
    let beside = std::env::current_exe()?.ancestors().nth(2).map(PathBuf::from);
    Ok(beside.ok_or("no folder of programs")?.join(name))
}

impl Drop for Program {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    drop(child.kill());
    drop(child.wait());
}

/// The addresses that the program's log names, apps' and operators', as soon as `last` has one.
async fn listening(
    child: &mut Child,
    log: &Path,
    last: &str,
) -> Result<(SocketAddr, Option<SocketAddr>)> {
    let mut again = interval(Duration::from_millis(20));
    loop {
        again.tick().await;
        let written = fs::read_to_string(log)?;
        if address(&written, last)?.is_some() {
            let apps = address(&written, "apps")?.ok_or("no listener for apps")?;
            return Ok((apps, address(&written, "admin")?));
        }
        if let Some(status) = child.try_wait()? {
            return Err(format!("ended with {status} before it listened").into());
        }
    }
}

/// The address of the first `listener` of this name in a log.
fn address(log: &str, listener: &str) -> Result<Option<SocketAddr>> {
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut fields = events.map(|event| event["fields"].clone());
    let Some(found) = fields.find(|fields| fields["listener"] == listener) else { return Ok(None) };
    Ok(Some(found["address"].as_str().ok_or("a listener without an address")?.parse()?))
}
