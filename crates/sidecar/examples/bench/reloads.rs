//! What a changed module costs whoever sends meanwhile, and what is left of it in memory:
//! `cargo xtask bench reloads [COUNT] [--idle]`.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::interval;

use crate::connection::Connection;
use crate::load::{Load, Serial, Until};
use crate::policies::{Applied, POLICIES, built};
use crate::program::Program;
use crate::report::{mib, ms, quantile};
use crate::sample::SENDS;
use crate::stage::{Configuration, Folder};
use crate::upstream::balance;
use crate::{Result, figures};

/// Reloads where the command line gives no other number.
pub(crate) const COUNT: usize = 100;

/// The load of whoever sends meanwhile.
const LOAD: Load = Load::Open { per_s: 500 };
/// How long it is applied before anything is replaced: to fill caches, and then to compare with.
const WARM_UP: Duration = Duration::from_secs(2);
const CALM: Duration = Duration::from_secs(5);
/// Between two looks at which generation is in force: as often as will not be felt, and finer than what is measured.
const LOOK: Duration = Duration::from_millis(5);
/// How long a module may take to come into force before nobody waits for it any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// The four policies' modules, each of which becomes another one, in turns.
struct Modules<'a> {
    folder: &'a Path,
    originals: Vec<Vec<u8>>,
    admin: Connection,
    generation: u64,
}

/// From the renaming of a module until it was in force, in milliseconds.
struct Times {
    p50: f64,
    p99: f64,
    max: f64,
}

/// Replaces a module `count` times, under load unless it is to be `idle`, and tells what came of it.
pub(crate) async fn measure(count: usize, idle: bool) -> Result<()> {
    let folder = Folder::new("reloads")?;
    let upstream = Program::own(&["upstream"], &folder.logs()).await?;
    let to = upstream.address.to_string();
    let config = Configuration { plivo: &to, policies: 4, ..Configuration::default() };
    let sendgate = Program::sendgate(&config.write(folder.path())?, &folder.logs()).await?;
    let (serial, told) = (Serial::default(), Arc::new(AtomicBool::new(false)));
    let mut modules = Modules::of(folder.path(), &sendgate).await?;
    let warmed = LOAD.apply(sendgate.address, &serial, WARM_UP).await?;
    let mut asked = Vec::new();
    if !idle {
        asked.push(("before", LOAD.apply(sendgate.address, &serial, CALM).await?));
    }
    let until = Until::Told(Arc::clone(&told));
    let load =
        (!idle).then(|| tokio::spawn(LOAD.keep_up(sendgate.address, SENDS, serial.clone(), until)));

    let mut resident = vec![sendgate.resident()?];
    println!(
        "{:.1} MiB resident before; from a module's rename until it is in force:\n",
        mib(resident[0])
    );
    println!("{:>8} {:>8} {:>8} {:>8} {:>8}", "replaced", "p50 ms", "p99 ms", "max ms", "RSS MiB");
    let mut all = Vec::with_capacity(count);
    for tenth in 1..=10 {
        let mut own = Vec::new();
        while all.len() + own.len() < count * tenth / 10 {
            own.push(modules.replace(all.len() + own.len()).await?);
        }
        all.extend_from_slice(&own);
        resident.push(sendgate.resident()?);
        if let Some(times) = Times::of(own) {
            println!("{:>8} {times} {:>8.1}", all.len(), mib(resident[tenth]));
        }
    }
    told.store(true, Ordering::Relaxed);
    if let Some(load) = load {
        asked.push(("meanwhile", load.await??));
    }

    let times = Times::of(all).ok_or("nothing was replaced")?;
    println!("{:>8} {times}\n", "all");
    if !asked.is_empty() {
        println!("{}", figures::head(&LOAD.to_string()));
        asked.iter().for_each(|(name, answered)| println!("{}", figures::line(name, answered)));
        println!();
    }
    let grown = resident[10] as f64 / resident[1] as f64;
    println!("RSS, the last by that at the first tenth: {grown:.3}\n");
    let figures = json!({
        "reloads": count,
        "in_force_ms": { "p50": times.p50, "p99": times.p99, "max": times.max },
        "requests": asked.iter().map(|(name, of)| (*name, figures::json_of(of))).collect::<Value>(),
        "rss_mib": resident.iter().map(|bytes| mib(*bytes)).collect::<Vec<_>>(),
        "rss_last_by_first_tenth": grown,
    });
    figures::keep(if idle { "reloads-idle" } else { "reloads" }, &figures)?;
    asked.iter().try_for_each(|(_, answered)| answered.is_well())?;
    let accepted = asked.iter().map(|(_, answered)| answered.count()).sum::<usize>();
    balance(upstream.address, warmed.count() + accepted).await
}

impl Times {
    fn of(mut took: Vec<Duration>) -> Option<Self> {
        took.sort_unstable();
        let at = |share| (!took.is_empty()).then(|| ms(quantile(&took, share)));
        Some(Self { p50: at(0.5)?, p99: at(0.99)?, max: at(1.0)? })
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8.0} {:>8.0} {:>8.0}", self.p50, self.p99, self.max)
    }
}

impl<'a> Modules<'a> {
    /// The modules in `folder`, from which `sendgate` has them.
    async fn of(folder: &'a Path, sendgate: &Program) -> Result<Self> {
        let read = |policy: &Applied| fs::read(policy.module(&built()));
        let originals = POLICIES.iter().map(read).collect::<std::io::Result<_>>()?;
        let admin = Connection::open(sendgate.admin.ok_or("no listener for operators")?).await?;
        let mut own = Self { folder, originals, admin, generation: 0 };
        own.generation = own.in_force().await?;
        Ok(own)
    }

    /// Puts another module in the place of one, for the `nth` time, and waits until it is in force.
    async fn replace(&mut self, nth: usize) -> Result<Duration> {
        let at = nth % POLICIES.len();
        let draft = self.folder.join("data/draft.wasm");
        fs::write(&draft, marked(&self.originals[at], nth as u64))?;
        let began = Instant::now();
        fs::rename(&draft, POLICIES[at].module(self.folder))?;
        let mut look = interval(LOOK);
        loop {
            look.tick().await;
            let now = self.in_force().await?;
            if now != self.generation {
                self.generation = now;
                return Ok(began.elapsed());
            }
            if began.elapsed() > PATIENCE {
                let name = POLICIES[at].name;
                return Err(format!("a changed `{name}` is not in force after {PATIENCE:?}").into());
            }
        }
    }

    /// The generation in force.
    async fn in_force(&mut self) -> Result<u64> {
        let heard = self.admin.read("/readyz").await?;
        let told: Value = serde_json::from_slice(heard.body)?;
        if !told["reload_refused"].is_null() {
            return Err(format!("a reload was refused: {}", told["reload_refused"]).into());
        }
        told["generation"].as_u64().ok_or_else(|| format!("no generation in {told}").into())
    }
}

/// `module` as other bytes that decide the same: with a custom section more, of this `mark`.
fn marked(module: &[u8], mark: u64) -> Vec<u8> {
    // WebAssembly 1.0, 5.5.3: id, size, the name's length, the name, the content.
    [module, &[0, 13, 4], b"mark", &mark.to_le_bytes()].concat()
}
