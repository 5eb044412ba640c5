//! `cargo xtask demo`: the policies built, then the sidecar's own demonstration.

use anyhow::Result;

use crate::policies;
use crate::process;
use crate::workspace::{Workspace, cargo};

/// Builds the policies and the two programs, then runs `crates/sidecar/examples/demo.rs`.
///
/// # Errors
///
/// Where something does not build, or a step of the demonstration does not end as it should.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    policies::run(workspace, &[])?;
    let build =
        ["build", "--package", "sidecar", "--package", "plivo-sim", "--bins", "--example", "demo"];
    process::run(cargo().current_dir(&workspace.root).args(build))?;
    let run = ["run", "--quiet", "--package", "sidecar", "--example", "demo"];
    process::run(
        cargo()
            .current_dir(&workspace.root)
            .env("SENDGATE_POLICIES", workspace.policies())
            .env("SENDGATE_BIN", workspace.target.join("debug"))
            .args(run),
    )
}
