//! `cargo xtask crash`: the sidecar is killed at every durable write and every socket step of a send.

use anyhow::{Context as _, Result, bail};

use crate::policies;
use crate::process;
use crate::test::in_workspace;
use crate::workspace::Workspace;

/// Runs of the suite, unless told otherwise; the tests of everybody's change play fewer.
const RUNS: &str = "2000";

/// Builds the policies and a program with fail points, then plays `--runs N` runs drawn from `--seed S`, or the one
/// that `--run R` names, as a failure has told it. Prints what they came to.
///
/// # Errors
///
/// Where something does not build, `words` cannot be read, or a run fails.
pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let mut told = vec![("SENDGATE_CRASH_RUNS", RUNS)];
    for pair in words.chunks(2) {
        let [flag, value] = *pair else { bail!("`{}` needs a number after it", pair[0]) };
        let name = match flag {
            "--runs" => "SENDGATE_CRASH_RUNS",
            "--seed" => "SENDGATE_CRASH_SEED",
            "--run" => "SENDGATE_CRASH_RUN",
            _ => bail!("`{flag}` is not known; use --runs N, --seed S or --run R"),
        };
        value.parse::<u64>().with_context(|| format!("`{flag} {value}`: give a number"))?;
        told.push((name, value));
    }
    policies::run(workspace, &[])?;
    // One run alone is for whoever looks for a fault: the other tests of the suite would only be in the way.
    let only: &[&str] = if words.contains(&"--run") { &["runs::"] } else { &[] };
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
