//! `cargo xtask ci`: what must hold before a change is taken in.

use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::process;
use crate::workspace::{Workspace, cargo};
use crate::{bench, deny, fuzz, test, tidy};

type Step = (&'static str, fn(&Workspace) -> Result<()>);

const STEPS: [Step; 7] = [
    ("format", format),
    ("tidy", tidy::run),
    ("deny", deny::run),
    ("lints", lints),
    ("documentation", documentation),
    ("tests, soak and fuzzing", tests),
    ("bench, for its books", bench::run_some),
];

/// With it nothing is left out of what is looked at; without it the programs are built and tested, all but one suite.
const FAIL_POINTS: &str = "sidecar/fail-points";

/// Runs every step in order, and ends at the first that fails.
///
/// # Errors
///
/// Names the step that failed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let start = Instant::now();
    for (name, step) in STEPS {
        println!("\n=== {name}");
        let began = Instant::now();
        step(workspace).with_context(|| format!("step `{name}` failed"))?;
        println!("=== {name}: fine after {:.0?}", began.elapsed());
    }
    println!("\nall {} steps are fine after {:.0?}", STEPS.len(), start.elapsed());
    Ok(())
}

fn tests(workspace: &Workspace) -> Result<()> {
    test::run(workspace, test::For::Change, || fuzz::run_some(workspace))
}

fn format(workspace: &Workspace) -> Result<()> {
    process::run(cargo().current_dir(&workspace.root).args(["fmt", "--all", "--check"]))
}

fn lints(workspace: &Workspace) -> Result<()> {
    let clippy = |targets: &[&str]| {
        let mut clippy = cargo();
        clippy.current_dir(&workspace.root).arg("clippy").args(targets);
        process::run(clippy.args(["--", "-D", "warnings"]))
    };
    clippy(&["--workspace", "--all-targets", "--features", FAIL_POINTS])?;
    // Without the fuzzed readers and the benches, which want it whole.
    let small = ["--workspace", "--exclude", "fuzz", "--exclude", "benches"];
    clippy(&[&small[..], &["--no-default-features", "--lib", "--bins"]].concat())
}

fn documentation(workspace: &Workspace) -> Result<()> {
    let mut doc = cargo();
    doc.current_dir(&workspace.root).env("RUSTDOCFLAGS", "-D warnings");
    process::run(doc.args(["doc", "--workspace", "--no-deps", "--features", FAIL_POINTS]))
}
