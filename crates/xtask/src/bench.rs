//! `cargo xtask bench`: what Sendgate costs beside a bare hop and the same rules in native code.

use anyhow::Result;

use crate::policies;
use crate::process;
use crate::workspace::{Workspace, cargo};

/// Builds the policies and optimised programs, then runs `crates/sidecar/examples/bench`, which takes some four
/// minutes; `words` go to it, such as `--compare FILE`. The figures are left in `target/bench/latest.json`, and drawn in
/// `latest.svg` beside it; those of `reloads`, `endurance` and `spin` in a file of that name. With `parts` first,
/// Criterion measures parts of a request instead; `words` go to it.
///
/// # Errors
///
/// Where something does not build, or a request is not answered as it should be.
pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    policies::run(workspace, &[])?;
    if let ["parts", words @ ..] = words {
        return parts(workspace, words);
    }
    // Apart, since together the features that only examples need would be built into the program under test.
    for target in [["--bin", "sendgate"], ["--example", "bench"]] {
        let build = ["build", "--release", "--package", "sidecar"];
        process::run(cargo().current_dir(&workspace.root).args(build).args(target))?;
    }
    let program = workspace.target.join("release/examples/bench");
    process::run(
        std::process::Command::new(program)
            .env("SENDGATE_POLICIES", workspace.policies())
            .args(words),
    )
}

/// Measures the parts of a request by themselves, by Criterion: what was before is in `target/criterion`.
fn parts(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let bench = ["bench", "--package", "benches", "--features", "criterion", "--"];
    let mut cargo = cargo();
    let run = cargo.current_dir(&workspace.root).args(bench).args(words);
    process::run(run.env("SENDGATE_POLICIES", workspace.policies()))
}
