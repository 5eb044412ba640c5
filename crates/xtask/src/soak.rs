//! `cargo xtask soak`: load, reloads, faults and restarts all at once, and the books at the end.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use crate::test::in_workspace;
use crate::workspace::Workspace;
use crate::{policies, process};

/// How long, unless told otherwise.
const MINUTES: &str = "30";
/// As much of it as a change can wait for, by one seed: as the test has it unless told otherwise.
pub(crate) const BRIEFLY: [&str; 4] = ["--minutes", "2", "--seed", "1"];

/// Builds the policies and the program, then runs `crates/sidecar/tests/soak` for `--minutes N`, drawn from `--seed S`:
/// another one each time unless it is named. Prints what it came to.
///
/// # Errors
///
/// Where something does not build, `words` cannot be read, or a message is lost or doubled.
pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().to_string();
    let (mut minutes, mut seed) = (MINUTES, seed.as_str());
    for pair in words.chunks(2) {
        let [flag, value] = *pair else { bail!("`{}` needs a number after it", pair[0]) };
        value.parse::<u32>().with_context(|| format!("`{flag} {value}`: give a number"))?;
        match flag {
            "--minutes" => minutes = value,
            "--seed" => seed = value,
            _ => bail!("`{flag}` is not known; use --minutes N or --seed S"),
        }
    }
    policies::run(workspace, &[])?;
    // The whole workspace, so that its dependencies are those that every other test was built with.
    let words = ["test", "--workspace", "--test", "soak", "--", "--ignored", "--nocapture"];
    process::run(
        in_workspace(workspace)
            .args(words)
            .env("SENDGATE_SOAK_MINUTES", minutes)
            .env("SENDGATE_SOAK_SEED", seed),
    )
}
