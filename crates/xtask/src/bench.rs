//! `cargo xtask bench`: what Sendgate costs beside a bare hop and the same rules in native code.

use std::process::Command;

use anyhow::Result;

use crate::test;
use crate::workspace::{Workspace, cargo};
use crate::{policies, process};

/// Builds the policies and optimised programs, then runs `crates/sidecar/examples/bench`, which takes some four
/// minutes; `words` go to it, such as `--compare FILE`. The figures are left in `target/bench/latest.json`, and drawn in
/// `latest.svg` beside it; those of `reloads`, `endurance`, `spin` and `away` in a file of that
/// name. With `parts` first, Criterion measures parts of a request instead; `words` go to it. With `--short` it is as
/// [`run_some`].
///
/// # Errors
///
/// Where something does not build, a request is not answered as it should be, or a message is lost or doubled.
pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    policies::run(workspace, &[])?;
    if let ["parts", words @ ..] = words {
        return parts(workspace, words);
    }
    if words == ["--short"] {
        return run_some(workspace);
    }
    // Apart, since together the features that only examples need would be built into the program under test.
    for target in [["--bin", "sendgate"], ["--example", "bench"]] {
        let build = ["build", "--release", "--package", "sidecar"];
        process::run(cargo().current_dir(&workspace.root).args(build).args(target))?;
    }
    let program = workspace.target.join("release/examples/bench");
    process::run(Command::new(program).env("SENDGATE_POLICIES", workspace.policies()).args(words))
}

/// As much of it as a change can wait for, of programs as they are tested: each under each load once, for the books.
///
/// # Errors
///
/// As [`run`]; never for a time.
pub(crate) fn run_some(workspace: &Workspace) -> Result<()> {
    policies::run(workspace, &[])?;
    test::build(workspace)?;
    let program = workspace.target.join("debug/examples/bench");
    let policies = workspace.policies();
    process::run(Command::new(program).arg("--short").env("SENDGATE_POLICIES", policies))
}

/// Measures the parts of a request by themselves, by Criterion: what was before is in `target/criterion`.
fn parts(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let bench = ["bench", "--package", "benches", "--features", "criterion", "--"];
    let mut cargo = cargo();
    let run = cargo.current_dir(&workspace.root).args(bench).args(words);
    process::run(run.env("SENDGATE_POLICIES", workspace.policies()))
}
