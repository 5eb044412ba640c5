//! `cargo xtask test`: everything that CI runs but formatting, lints and rules.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::policies;
use crate::process;
use crate::workspace::{Workspace, cargo};

/// Programs that the examples are written in, with what to do where one is missing.
const NEEDED: [(&str, &str); 2] = [
    ("node", "install Node.js 20 or later (https://nodejs.org)"),
    ("python3", "install Python 3.10 or later (https://www.python.org)"),
];

/// Builds the policies and the programs, then runs all tests, those in the documentation too.
///
/// # Errors
///
/// Where a needed program is missing, something does not build, or a test fails.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    for (program, remedy) in NEEDED {
        let works = process::works(Command::new(program).arg("--version"));
        ensure!(works, "the examples need `{program}`, which is not here; {remedy}");
    }
    policies::run(workspace, &[])?;
    // All targets at once: a separate build of the programs would compile many dependencies twice.
    process::run(in_workspace(workspace).args([
        "build",
        "--workspace",
        "--bins",
        "--tests",
        "--examples",
    ]))?;
    if process::works(cargo().args(["nextest", "--version"])) {
        process::run(in_workspace(workspace).args(["nextest", "run", "--workspace"]))?;
    } else {
        println!("cargo-nextest is not here; running the tests with `cargo test`");
        process::run(in_workspace(workspace).args([
            "test",
            "--workspace",
            "--bins",
            "--lib",
            "--tests",
            "--examples",
        ]))?;
    }
    process::run(in_workspace(workspace).args(["test", "--quiet", "--workspace", "--doc"]))
}

/// A cargo command that tells tests where the policies and the programs are.
fn in_workspace(workspace: &Workspace) -> Command {
    let mut command = cargo();
    command
        .current_dir(&workspace.root)
        .env("SENDGATE_POLICIES", workspace.policies())
        .env("SENDGATE_BIN", workspace.target.join("debug"));
    command
}
