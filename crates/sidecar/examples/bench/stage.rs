//! All programs, running side by side, and what was measured of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::load::{Load, Serial};
use crate::policies::{Applied, MORE, POLICIES, built};
use crate::program::Program;
use crate::sample::{APP, SENDER};
use crate::upstream::balance;
use crate::{Result, machine};

/// The programs under test, in the order of the table.
pub(crate) const SUBJECTS: [Subject; 8] = [
    Subject { name: "bare hop", runs: Runs::Own("hop") },
    Subject { name: "hop with native rules", runs: Runs::Own("rules") },
    Subject { name: "sendgate, no policies", runs: Runs::Sendgate { policies: 0, durable: false } },
    Subject { name: "sendgate, four", runs: Runs::Sendgate { policies: 4, durable: false } },
    Subject { name: "sendgate, eight", runs: Runs::Sendgate { policies: 8, durable: false } },
    Subject { name: "durable, no policies", runs: Runs::Sendgate { policies: 0, durable: true } },
    Subject { name: "durable, four", runs: Runs::Sendgate { policies: 4, durable: true } },
    Subject { name: "durable, eight", runs: Runs::Sendgate { policies: 8, durable: true } },
];

/// A program under test.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    runs: Runs,
}

enum Runs {
    /// This program, in the role that the word names.
    Own(&'static str),
    /// `sendgate`, with so many policies, and its store in a file or in memory.
    Sendgate { policies: usize, durable: bool },
}

/// The shares of all requests whose latencies are kept.
pub(crate) const QUANTILES: [f64; 8] = [0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999];

/// The part of all processors' time above which other processes were in the way.
pub(crate) const DISTURBED: f64 = 0.1;

/// Longer than any answer takes: one without Plivo's would end the run, on a machine that stands still for a while too.
const WAIT_MS: u32 = 60_000;
const WARM_UP: Duration = Duration::from_millis(500);

/// The programs, and the cells measured so far.
pub(crate) struct Stage {
    upstream: Program,
    subjects: Vec<Program>,
    serial: Serial,
    cells: Vec<Cell>,
    began: Instant,
    /// Processor time that all processes had used by then, and of it this run's own.
    busy_before: Duration,
    own_before: Duration,
    /// Gone with the programs, and so the last.
    _folder: Folder,
}

/// A folder of this run's own, with copies of the modules. It goes with this value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let name = format!("bench/run-{}-{name}", std::process::id());
        let folder = Self(crate::target().join(name));
        fs::create_dir_all(folder.logs())?;
        // Apart, since the folder of a configuration is watched.
        fs::create_dir_all(folder.0.join("data"))?;
        for policy in POLICIES.iter().chain(&MORE) {
            let from = policy.module(&built());
            fs::copy(&from, policy.module(&folder.0))
                .map_err(|err| format!("{}: {err}; run `cargo xtask policies`", from.display()))?;
        }
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the target folder, and small.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// One program under one load in one round.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// Its place in [`SUBJECTS`].
    pub(crate) subject: usize,
    pub(crate) load: Load,
    pub(crate) per_s: f64,
    /// The latencies at [`QUANTILES`].
    pub(crate) curve: [Duration; QUANTILES.len()],
    /// Processor time for each request.
    pub(crate) processor: Duration,
    /// The same of the upstream and of the driver.
    pub(crate) upstream: Duration,
    pub(crate) driver: Duration,
    /// Bytes resident at the end.
    pub(crate) resident: u64,
}

/// What the run came to.
pub(crate) struct Measured {
    pub(crate) cells: Vec<Cell>,
    /// The part of all processors' time that other processes took; a run above [`DISTURBED`] is not to be trusted.
    pub(crate) disturbance: f64,
}

impl Stage {
    /// Starts every program, `sendgate` with copies of the modules that nobody rebuilds meanwhile.
    pub(crate) async fn set() -> Result<Self> {
        let own = Folder::new("programs")?;
        let (folder, logs) = (own.path(), own.logs());
        let upstream = Program::own(&["upstream"], &logs).await?;
        let to = upstream.address.to_string();
        let mut subjects = Vec::new();
        for subject in &SUBJECTS {
            subjects.push(match subject.runs {
                Runs::Own(role) => Program::own(&[role, &to], &logs).await?,
                Runs::Sendgate { policies, durable } => {
                    let plivo = to.as_str();
                    let config =
                        Configuration { plivo, policies, durable, ..Configuration::default() };
                    Program::sendgate(&config.write(folder)?, &logs).await?
                }
            });
        }
        let mut stage = Self {
            upstream,
            subjects,
            serial: Serial::default(),
            cells: Vec::new(),
            began: Instant::now(),
            busy_before: machine::busy()?,
            own_before: Duration::ZERO,
            _folder: own,
        };
        stage.own_before = stage.own()?;
        Ok(stage)
    }

    /// Lets every program open its connections and fill its caches.
    pub(crate) async fn warm_up(&self) -> Result<()> {
        for (subject, program) in SUBJECTS.iter().zip(&self.subjects) {
            let load = Load::Closed { connections: 16 };
            let answered = load.apply(program.address, &self.serial, WARM_UP).await;
            let accepted = named(subject.name, answered)?.count();
            named(subject.name, balance(self.upstream.address, accepted).await)?;
        }
        Ok(())
    }

    /// Puts every program under `load` for `time`, one after the other, beginning with another one each round.
    pub(crate) async fn turn(&mut self, round: usize, load: Load, time: Duration) -> Result<()> {
        for nth in 0..self.subjects.len() {
            let subject = (nth + round) % self.subjects.len();
            let cell = named(SUBJECTS[subject].name, self.cell(subject, load, time).await)?;
            self.cells.push(cell);
        }
        Ok(())
    }

    /// Ends the programs.
    pub(crate) fn end(self) -> Result<Measured> {
        let own = self.own()?.saturating_sub(self.own_before);
        let cores = std::thread::available_parallelism()?.get();
        let others = (machine::busy()? - self.busy_before).saturating_sub(own);
        let all = self.began.elapsed() * u32::try_from(cores)?;
        let cells = self.cells.clone();
        Ok(Measured { cells, disturbance: others.as_secs_f64() / all.as_secs_f64() })
    }

    async fn cell(&self, subject: usize, load: Load, time: Duration) -> Result<Cell> {
        let program = &self.subjects[subject];
        let before = self.used_by(program)?;
        let answered = load.apply(program.address, &self.serial, time).await?;
        let after = self.used_by(program)?;
        balance(self.upstream.address, answered.count()).await?;
        let each = |nth: usize| (after[nth] - before[nth]).div_f64(answered.count() as f64);
        Ok(Cell {
            subject,
            load,
            per_s: answered.per_s(),
            curve: QUANTILES.map(|share| answered.within(share)),
            processor: each(0),
            upstream: each(1),
            driver: each(2),
            resident: program.resident()?,
        })
    }

    /// Processor time of the program, of the upstream and of this process.
    fn used_by(&self, program: &Program) -> Result<[Duration; 3]> {
        let own = machine::processor_time(std::process::id())?;
        Ok([program.processor_time()?, self.upstream.processor_time()?, own])
    }

    /// Processor time that this process and its programs have used so far.
    fn own(&self) -> Result<Duration> {
        let programs = self.subjects.iter().chain([&self.upstream]);
        let used = programs.map(Program::processor_time).sum::<Result<Duration>>()?;
        Ok(used + machine::processor_time(std::process::id())?)
    }
}

/// What of a configuration differs from one program to another.
#[derive(Default)]
pub(crate) struct Configuration<'a> {
    /// Where Plivo is.
    pub(crate) plivo: &'a str,
    /// So many of all policies.
    pub(crate) policies: usize,
    /// The store is a file, with the default durability.
    pub(crate) durable: bool,
    /// Of the apps' listener.
    pub(crate) port: u16,
    /// Lines of `[telemetry]`, and of `[store]`, besides.
    pub(crate) telemetry: &'a str,
    pub(crate) store: &'a str,
    /// What else it says.
    pub(crate) more: &'a str,
}

impl Configuration<'_> {
    /// Writes it into `folder`: as delivered but for its addresses and what is measured, and with the log at its usual
    /// level, into a file.
    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf> {
        let Self { plivo, policies, durable, port, telemetry, store, more } = self;
        let name = format!("{policies}-{}", if *durable { "durable" } else { "memory" });
        let path = folder.join(format!("{name}.toml"));
        let kept = match durable {
            true => {
                format!("path = \"{}\"", folder.join("data").join(format!("{name}.db")).display())
            }
            false => "ephemeral = true".to_owned(),
        };
        let entries = POLICIES.iter().chain(&MORE).take(*policies);
        let entries: String = entries.map(|policy: &Applied| policy.entry(folder)).collect();
        let text = format!(
            r#"[listen]
apps = "127.0.0.1:{port}"
admin = "127.0.0.1:0"
[[apps]]
name = "{APP}"
token = "bench-token"
[plivo]
base_url = "http://{plivo}"
auth_id = "MAXXXXXXXXXXXXXXXXXX"
auth_token = "bench"
sender = "{SENDER}"
[delivery]
wait_ms = {WAIT_MS}
[store]
{kept}
{store}
[telemetry]
log = "info"
log_format = "json"
{telemetry}
[reload]
compile_cache = "{}"
{entries}{more}"#,
            folder.join("compiled").display()
        );
        fs::write(&path, text)?;
        Ok(path)
    }
}

fn named<T>(subject: &str, measured: Result<T>) -> Result<T> {
    measured.map_err(|err| format!("{subject}: {err}").into())
}
