//! The soak: load, reloads, faults of Plivo and restarts, all at once against one durable store; then the books.
//!
//! `cargo xtask soak` runs it; of itself `cargo test` runs the tests of the books alone.
#![allow(clippy::unwrap_used, reason = "a failed step ends the test, and says where")]

#[path = "../crash/app.rs"]
#[expect(dead_code, reason = "the crash suite needs more of it")]
mod app;
mod books;
mod changes;
#[path = "../it/harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the whole-process tests need more of it")]
mod harness;
#[path = "../crash/listener.rs"]
mod listener;
mod lives;
mod load;
mod trouble;
#[path = "../crash/wire.rs"]
#[expect(dead_code, reason = "the crash suite needs more of it")]
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use plivo_sim::{Callbacks, PlivoSim, SimConfig};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::app::{App, Standing};
use crate::books::{Books, Sent};
use crate::changes::Files;
use crate::harness::{Folder, Log, Sidecar};
use crate::listener::Listener;
use crate::lives::Has;

pub(crate) const APPS: [&str; 3] = ["demo", "billing", "notices"];
/// Longest that anything may take to come to an end once nothing disturbs it; it only ends what hangs.
const DRAIN: Duration = Duration::from_secs(300);
/// Descriptors that a process may have at rest beyond those that it began with.
const SPARE: usize = 8;
/// Most faults that are shown.
const SHOWN: usize = 10;

/// What every part of it shares.
pub(crate) struct Stage {
    pub(crate) plivo: PlivoSim,
    pub(crate) listener: Listener,
    pub(crate) until: Instant,
    pub(crate) files: tokio::sync::Mutex<Files>,
    /// Of the process that runs; none while none does.
    pub(crate) door: watch::Sender<Option<Door>>,
    numbers: AtomicU64,
    counts: Mutex<BTreeMap<String, u64>>,
    faults: Mutex<Vec<String>>,
}

/// Where one process is.
#[derive(Clone, Copy)]
pub(crate) struct Door {
    pub(crate) apps: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) life: u32,
    /// Whether its end has begun.
    pub(crate) ends: bool,
}

impl Stage {
    /// A number that nothing else has.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn numbers(&self) -> u64 {
        self.numbers.load(Ordering::Relaxed)
    }

    pub(crate) async fn open_door(&self) -> Door {
        let mut door = self.door.subscribe();
        door.wait_for(Option::is_some).await.expect("the stage stands").expect("it is open")
    }

    /// Whether the process behind `door` has been ended, so that it may fail to answer.
    pub(crate) fn is_ended(&self, door: &Door) -> bool {
        self.door.borrow().is_none_or(|now| now.life != door.life || now.ends)
    }

    pub(crate) fn count(&self, what: impl Into<String>) {
        *self.counts.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    /// Counts the lines of a log that say `ERROR`.
    pub(crate) fn count_errors(&self, log: &Log) {
        for event in log.events().iter().filter(|event| event["level"] == "ERROR") {
            let said = event["fields"]["message"].as_str().or_else(|| event["message"].as_str());
            self.count(format!("logged: {}", said.unwrap_or_default()));
        }
    }

    pub(crate) fn fault(&self, what: String) {
        self.faults.lock().unwrap().push(what);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: `cargo xtask soak`"]
async fn whatever_happens_at_once_every_accepted_message_is_accounted_for_once() {
    let minutes: u64 = number("SENDGATE_SOAK_MINUTES").unwrap_or(2);
    let seed = number("SENDGATE_SOAK_SEED").unwrap_or(1);
    show(&format!("{minutes} minutes by seed {seed}"));
    let of = |part: u64| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ part;
    let reported = SimConfig {
        callbacks: Callbacks::auto(),
        callback_retry: Duration::from_millis(500),
        ..SimConfig::default()
    };
    let (plivo, listener, folder) =
        (PlivoSim::start(reported).await, Listener::start(), Arc::new(Folder::new()));
    listener.fail_one_in(10);
    let addresses = [plivo.base_url(), listener.address.to_string(), lasting_address()];
    let files = Files::new(Arc::clone(&folder), addresses);
    let stage = Arc::new(Stage {
        plivo,
        listener,
        until: Instant::now() + Duration::from_secs(minutes * 60),
        files: files.into(),
        door: watch::Sender::default(),
        numbers: AtomicU64::default(),
        counts: Mutex::default(),
        faults: Mutex::default(),
    });
    let mut loops = JoinSet::new();
    for part in 0..APPS.len() as u64 * load::LOOPS {
        let app = APPS[part as usize % APPS.len()];
        loops.spawn(load::ask_until_over(Arc::clone(&stage), app, of(10 + part)));
    }
    let trouble = tokio::spawn(trouble::make_until_over(Arc::clone(&stage), of(1)));
    let changes = tokio::spawn(changes::make_until_over(Arc::clone(&stage), of(2)));
    let (sidecar, first) = lives::live_until_over(&stage, &folder, of(3)).await;
    let letters = loops.join_all().await.into_iter().flatten().collect();
    trouble.await.unwrap();
    changes.await.unwrap();

    let records = drained(&stage, &sidecar).await;
    let sends = stage.plivo.sends().into_iter().map(|sent| Sent {
        uuid: sent.message_uuid,
        to: sent.dst,
        text: sent.text,
        media: sent.media_urls,
    });
    let books = Books { letters, records, sends: sends.collect() };
    at_rest(&stage, &sidecar, first).await;
    stage.count_errors(&sidecar.stop().await);
    close(&stage, &books, seed);
}

/// Where every message stands once none is on its way any more and the app `billing` was told of the end of each.
async fn drained(stage: &Stage, sidecar: &Sidecar) -> HashMap<String, Standing> {
    let began = Instant::now();
    loop {
        let (mut all, told) = (HashMap::new(), stage.listener.told());
        let mut late = 0;
        for app in APPS {
            let own =
                App::new(sidecar.apps, &token(app)).standings().await.expect("nothing ends it");
            let is_late = |(id, standing): &(&String, &Standing)| {
                let end = ((*id).clone(), standing.status.clone());
                standing.is_open() || (app == "billing" && !told.contains_key(&end))
            };
            late += own.iter().filter(is_late).count();
            all.extend(own);
        }
        if late == 0 || began.elapsed() > DRAIN {
            show(&format!("drained after {} s", began.elapsed().as_secs()));
            if late > 0 {
                stage.fault(format!("{late} on their way, or `billing` was not told of their end"));
            }
            return all;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Waits until the process has no more descriptors than it began with.
async fn at_rest(stage: &Stage, sidecar: &Sidecar, first: Has) {
    let began = Instant::now();
    loop {
        stage.plivo.disconnect();
        let now = Has::of(sidecar);
        let flat = now.descriptors <= first.descriptors + SPARE;
        if flat || began.elapsed() > DRAIN {
            show(&format!("the first process: {first}; the last, at rest: {now}"));
            if !flat {
                let held = lives::held(sidecar);
                stage
                    .fault(format!("descriptors grow: {first} at first, {now} at rest: {held:#?}"));
            }
            return;
        }
        App::pause().await;
    }
}

/// Shows the figures, and fails where anything is not as it should be.
fn close(stage: &Stage, books: &Books, seed: u64) {
    let wrong = books.wrong().into_iter();
    let mut faults: Vec<String> = wrong.map(|(what, about)| format!("{what}\n{about}")).collect();
    let told = stage.listener.told().into_iter();
    let twice = told.filter(|((_, state), ids)| state != "in_doubt" && ids.len() > 1);
    faults.extend(twice.map(|(about, ids)| format!("{about:?} was told under {} ids", ids.len())));
    faults.extend(stage.faults.lock().unwrap().drain(..));
    for (what, count) in &*stage.counts.lock().unwrap() {
        show(&format!("{count:>8}  {what}"));
    }
    let (kinds, ends) = books.figures();
    show(&format!("letters: {kinds:?}\nrecords: {ends:?}"));
    let told = books.letters.iter().filter(|letter| !letter.told.is_empty()).count();
    let (letters, records, sends) = (books.letters.len(), books.records.len(), books.sends.len());
    show(&format!(
        "{letters} letters, {told} accepted, {records} records, {sends} sent; {} faults",
        faults.len()
    ));
    let shown = faults.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(faults.is_empty(), "{} faults by seed {seed}:\n{shown}", faults.len());
    assert!(told > 0 && sends > 0, "nothing was accepted, so nothing is shown");
}

/// What an app is known by.
pub(crate) fn token(app: &str) -> String {
    format!("token-of-the-soak-{app}")
}

/// Waits for any of so many milliseconds.
pub(crate) async fn pause(rng: &mut Rng, ms: Range<u64>) {
    sleep(Duration::from_millis(rng.u64(ms))).await;
}

/// An address that nobody is given while no process listens there: below the ports that Linux gives out.
fn lasting_address() -> String {
    let ports = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap_or_default()..32_000;
    let mut addresses = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let free = addresses.find(|address| TcpListener::bind(address).is_ok());
    free.expect("a free port").to_string()
}

fn number(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is `{value}`; give a number")))
}

#[expect(clippy::print_stdout, reason = "the figures are what all of this is for")]
pub(crate) fn show(text: &str) {
    println!("{text}");
}
