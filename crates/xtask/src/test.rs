//! `cargo xtask test`: everything that CI runs but formatting, lints, rules, and short forms of what takes long.

use std::num::NonZero;
use std::process::Command;
use std::thread;

use anyhow::{Result, ensure};

use crate::workspace::{Workspace, cargo};
use crate::{apt, crash, policies, process, soak};

/// Programs that the examples are written in, with what to do where one is missing.
const NEEDED: [(&str, &str); 2] = [
    ("node", "install Node.js 20 or later (https://nodejs.org)"),
    ("python3", "install Python 3.10 or later (https://www.python.org)"),
];

/// A program that is used: what for, commands of which one is enough that it runs, and Debian's package of it.
pub(crate) type Used = (&'static str, &'static [&'static str], &'static str);

/// Programs that tests use.
const USED: [Used; 8] = [
    (
        "the shared store's tests",
        &["redis-server --version", "valkey-server --version"],
        "redis-server",
    ),
    ("the tests of modules in registries", &["docker-registry --version"], "docker-registry"),
    ("the tests of signatures", &["openssl version"], "openssl"),
    ("the example of watching sidecars", &["prometheus --version"], "prometheus"),
    // With the flag only a kubectl of 1.21 or later, whose kustomize knows what is used.
    (
        "the examples of Kubernetes",
        &["kubectl kustomize --enable-helm --help"],
        "kubernetes-client",
    ),
    ("the example of systemd", &["systemd-analyze --version"], "systemd"),
    ("the replicas in networks of their own", &["ip -Version"], "iproute2"),
    ("the dashboard's test", &["chromium --version"], "chromium"),
];

/// Who asks.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum For {
    /// Somebody at work: what fails has failed.
    Desk,
    /// A change that is to be taken in: with two minutes of soak, and what fails is run again.
    Change,
}

/// Builds the policies and the programs, then runs all tests, those in the documentation and some of the crash suite
/// too; that suite mostly waits, so `beside` runs then.
///
/// # Errors
///
/// Where a needed program is missing, something does not build, a test fails, or `beside` does.
pub(crate) fn run(
    workspace: &Workspace,
    whose: For,
    beside: impl FnOnce() -> Result<()> + Send,
) -> Result<()> {
    for (program, remedy) in NEEDED {
        let works = process::works(Command::new(program).arg("--version"));
        ensure!(works, "the examples need `{program}`, which is not here; {remedy}");
    }
    find(&USED)?;
    policies::run(workspace, &[])?;
    build(workspace)?;
    let closing = run_built(workspace, whose)?;
    thread::scope(|scope| {
        let beside = scope.spawn(beside);
        let documented = scope.spawn(|| {
            let words = ["test", "--quiet", "--workspace", "--doc"];
            process::run(in_workspace(workspace).args(words))
        });
        let played = crash::run_some(workspace);
        let documented = documented.join().expect("the tests in documentation do not panic");
        let beside = beside.join().expect("what runs beside it does not panic");
        played.and(documented).and(beside)
    })?;
    // Said again at the end, where people look for it.
    closing.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// Runs the tests that [`build`] has built; returns what people look for at the end.
fn run_built(workspace: &Workspace, whose: For) -> Result<Vec<String>> {
    let mut tests = in_workspace(workspace);
    if process::works(cargo().args(["nextest", "--version"])) {
        tests.args(["nextest", "run", "--workspace", "--test-threads", &test_threads(whose)]);
        if whose == For::Change {
            tests.args(["--profile", "ci", "--run-ignored", "all"]);
        }
        return process::run_keeping(&mut tests, said_again);
    }
    println!("cargo-nextest is not here; running the tests with `cargo test`");
    process::run(tests.args(["test", "--workspace", "--bins", "--lib", "--tests", "--examples"]))?;
    if whose == For::Change {
        soak::run(workspace, &soak::BRIEFLY)?;
    }
    Ok(Vec::new())
}

/// Builds the programs, their tests and the examples as everything here runs them.
///
/// # Errors
///
/// Where something does not build.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    // All targets at once: a separate build of the programs would compile many dependencies twice.
    process::run(in_workspace(workspace).args([
        "build",
        "--workspace",
        "--bins",
        "--tests",
        "--examples",
    ]))
}

/// Sees to it that each of `used` runs: what does not, and can be installed here, is installed all at once.
///
/// # Errors
///
/// What does not run after that, with what to do.
pub(crate) fn find(used: &[Used]) -> Result<()> {
    let packages: Vec<&str> = used
        .iter()
        .filter(|(_, commands, _)| !runs(commands))
        .map(|(.., package)| *package)
        .collect();
    if !packages.is_empty() && apt::may_install() {
        apt::install(&packages)?;
    }
    for (what, commands, package) in used {
        ensure!(
            runs(commands),
            "{what} need what `{}` runs, which is not here; run `sudo apt-get install {package}`",
            commands.join("` or `")
        );
    }
    Ok(())
}

/// Whether one of `commands` runs.
fn runs(commands: &[&str]) -> bool {
    commands.iter().any(|command| {
        let mut words = command.split(' ');
        words.next().is_some_and(|program| process::works(Command::new(program).args(words)))
    })
}

/// Whether people look for a line of nextest's at the end.
fn said_again(line: &str) -> bool {
    line.contains("Summary [") || line.contains("FLAKY")
}

/// Tests at once: most of their time whole-process tests wait for clocks and for each other's sockets.
fn test_threads(whose: For) -> String {
    let each = if whose == For::Change { 4 } else { 3 };
    (thread::available_parallelism().map_or(2, NonZero::get) * each).to_string()
}

/// A cargo command that tells tests where the policies and the programs are.
pub(crate) fn in_workspace(workspace: &Workspace) -> Command {
    let mut command = cargo();
    command
        .current_dir(&workspace.root)
        .env("SENDGATE_POLICIES", workspace.policies())
        .env("SENDGATE_BIN", workspace.target.join("debug"));
    command
}
