//! The processes, one after the other on one store, and what each of them takes.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep_until};

use crate::harness::{Folder, Sidecar};
use crate::{Door, Stage, pause, show};

/// From here on a process is warm, and is measured.
const WARM: Duration = Duration::from_secs(20);
/// A life of so long tells whether memory grows.
const LONG: Duration = Duration::from_secs(35);
/// A soak of so long has long lives before its last.
const LONGER: Duration = Duration::from_secs(300);
/// What memory may grow by besides a quarter: the noise of a process that is not old, and of compilers at work.
const NOISE: u64 = 32 << 20;

/// What a process has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Has {
    /// Bytes of resident memory.
    pub(crate) resident: u64,
    pub(crate) descriptors: usize,
}

impl Has {
    pub(crate) fn of(sidecar: &Sidecar) -> Self {
        let process = format!("/proc/{}", sidecar.id());
        let status = fs::read_to_string(format!("{process}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        Self { resident: kib << 10, descriptors: held(sidecar).len() }
    }
}

/// What its descriptors are.
pub(crate) fn held(sidecar: &Sidecar) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(format!("/proc/{}/fd", sidecar.id())).expect("it runs");
    all.filter_map(|one| fs::read_link(one.ok()?.path()).ok()).collect()
}

impl std::fmt::Display for Has {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} MiB, {} descriptors", self.resident >> 20, self.descriptors)
    }
}

/// Starts one process after the other; returns the last, which lives on when time is over, and what the first had before
/// it was asked for anything.
pub(crate) async fn live_until_over(
    stage: &Arc<Stage>,
    folder: &Arc<Folder>,
    seed: u64,
) -> (Sidecar, Has) {
    let mut rng = Rng::with_seed(seed);
    let began = Instant::now();
    // Long enough to tell, however short the soak is.
    let last = stage.until - ((stage.until - began) / 4).max(LONG + Duration::from_secs(5));
    let mut first = None;
    for life in 0.. {
        let files = stage.files.lock().await;
        let sidecar = Sidecar::start_in(Arc::clone(folder), files.setup()).await;
        drop(files);
        let new = Has::of(&sidecar);
        let first = *first.get_or_insert(new);
        let (apps, admin) = (sidecar.apps, sidecar.admin);
        stage.door.send_replace(Some(Door { apps, admin, life, ends: false }));
        let now = Instant::now();
        let is_last = now >= last;
        if is_last {
            // What apps did not take is told again after up to a minute, which nobody is to wait for at the end.
            stage.listener.fail_one_in(0);
        }
        let is_long = stage.until - began > LONGER && rng.u32(..8) == 0;
        let seconds = rng.u64(if is_long { 40..90 } else { 2..10 });
        let end = if is_last { stage.until } else { last.min(now + Duration::from_secs(seconds)) };
        spend(stage, &sidecar, &mut rng, now, end).await;
        if is_last {
            return (sidecar, first);
        }
        stage.door.send_modify(|door| door.iter_mut().for_each(|door| door.ends = true));
        let (log, gently) = (sidecar.log.clone(), rng.bool());
        stage.count(if gently { "ended by SIGTERM" } else { "ended by SIGKILL" });
        if gently {
            drop(sidecar.stop().await)
        } else {
            drop(sidecar.kill().await)
        }
        stage.door.send_replace(None);
        stage.count_errors(&log);
    }
    unreachable!("lives are not counted to their end")
}

/// One life: now and then it is frozen or told to look at its files, and what it has is measured twice.
async fn spend(stage: &Stage, sidecar: &Sidecar, rng: &mut Rng, began: Instant, end: Instant) {
    let mut warm = None;
    while Instant::now() < end {
        match rng.u32(..4) {
            0 => {
                sidecar.signal("STOP");
                pause(rng, 500..1_000).await;
                sidecar.signal("CONT");
                stage.count("frozen for a second");
            }
            1 => {
                sidecar.signal("HUP");
                stage.count("SIGHUP");
            }
            _ => {}
        }
        if began.elapsed() >= WARM && warm.is_none() {
            warm = Some(Has::of(sidecar));
        }
        let next = Instant::now() + Duration::from_millis(rng.u64(500..4_000));
        sleep_until(next.min(end)).await;
    }
    if let Some(warm) = warm.filter(|_| end - began >= LONG) {
        let now = Has::of(sidecar);
        show(&format!(
            "{} s of one process: {warm} when warm, {now} at its end",
            (end - began).as_secs()
        ));
        if now.resident > warm.resident / 4 * 5 + NOISE {
            stage.fault(format!("memory grows: {warm} when warm, {now} at its end"));
        }
    }
}
