//! `cargo xtask demo`: the policies built, then the sidecar's own demonstration.

use std::process::Command;

use anyhow::Result;

use crate::policies;
use crate::process;
use crate::workspace::{Workspace, cargo};

/// Builds the policies and the program, then runs `crates/sidecar/examples/demo`.
///
/// # Errors
///
/// Where something does not build, or a step of the demonstration does not end as it should.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    policies::run(workspace, &[])?;
    let words = ["build", "--package", "sidecar", "--bins", "--example", "demo"];
    process::run(cargo().current_dir(&workspace.root).args(words))?;
    let programs = workspace.target.join("debug");
    process::run(
        Command::new(programs.join("examples/demo"))
            .current_dir(&workspace.root)
            .env("SENDGATE_POLICIES", workspace.policies())
            .env("SENDGATE_BIN", programs),
    )
}
