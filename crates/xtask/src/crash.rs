//! `cargo xtask crash`: the sidecar is killed at every durable write and every socket step of a send.

use anyhow::{Context as _, Result, bail};

use crate::policies;
use crate::process;
use crate::test::in_workspace;
use crate::workspace::Workspace;

/// Runs of the suite that may send nothing twice, unless told otherwise; the tests of everybody's change play fewer.
const RUNS: &str = "2000";

/// The same with a Redis, each of which waits for leases.
const RUNS_WITH_REDIS: &str = "400";

/// Builds the policies and a program with fail points, then plays `--runs N` runs under `on_unresolved = "fail"` drawn
/// from `--seed S`, and those under `resend` besides, or the one that `--run R` names, as a failure has told it; with
/// `--redis` those with a Redis that replicas share. Prints what they came to.
///
/// # Errors
///
/// Where something does not build, `words` cannot be read, or a run fails.
pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let with_redis = words.contains(&"--redis");
    let words: Vec<&str> = words.iter().copied().filter(|word| *word != "--redis").collect();
    let ([runs, run], many, part) = match with_redis {
        true => {
            (["SENDGATE_CRASH_REDIS_RUNS", "SENDGATE_CRASH_REDIS_RUN"], RUNS_WITH_REDIS, "shared::")
        }
        false => (["SENDGATE_CRASH_RUNS", "SENDGATE_CRASH_RUN"], RUNS, "runs::"),
    };
    let mut told = vec![(runs, many)];
    for pair in words.chunks(2) {
        let [flag, value] = *pair else { bail!("`{}` needs a number after it", pair[0]) };
        let name = match flag {
            "--runs" => runs,
            "--seed" => "SENDGATE_CRASH_SEED",
            "--run" => run,
            _ => bail!("`{flag}` is not known; use --runs N, --seed S, --run R or --redis"),
        };
        value.parse::<u64>().with_context(|| format!("`{flag} {value}`: give a number"))?;
        told.push((name, value));
    }
    policies::run(workspace, &[])?;
    // One run alone is for whoever looks for a fault: the other tests of the suite would only be in the way.
    let only: &[&str] = if with_redis || words.contains(&"--run") { &[part] } else { &[] };
    play(workspace, &told, only)
}

/// Plays as much of the suite as a change can wait for.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn run_some(workspace: &Workspace) -> Result<()> {
    play(workspace, &[], &[])
}

fn play(workspace: &Workspace, told: &[(&str, &str)], only: &[&str]) -> Result<()> {
    // The whole workspace, so that its dependencies are those that every other test was built with.
    let words =
        ["test", "--workspace", "--features", "sidecar/fail-points", "--test", "crash", "--"];
    process::run(
        in_workspace(workspace)
            .args(words)
            .args(["--nocapture", "--test-threads", "1"])
            .args(only)
            .envs(told.iter().copied()),
    )
}
