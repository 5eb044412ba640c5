//! `cargo xtask fuzz`: every reader of outside bytes, fed by an engine that is led by what of our code was reached.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;
use crate::test::find;
use crate::workspace::{Workspace, cargo};

/// Longest that each reader is fed, unless told otherwise.
const SECONDS: &str = "600";
/// Set for the compiler's calls, which go through this program: it asks for coverage where the crate is ours.
const WRAPS: &str = "SENDGATE_FUZZ_WRAPS";
/// What the engine finds its way by. Stable options of rustc, for LLVM's pass.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// One reader's run.
struct Fed {
    is_fine: bool,
    /// Its last lines, with the engine's figures.
    told: String,
}

/// Feeds the readers named in `words`, or all, for `--seconds N` each, `--at-once N` together, which is else the number
/// of cores; prints what was found. What brought something new is kept in `target/fuzz/NAME`.
///
/// # Errors
///
/// Where the program does not build, or a reader dies or takes ten seconds: the bytes are kept, and named.
pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let cores = cores().to_string();
    let (mut names, mut seconds, mut seed, mut at_once) = (Vec::new(), SECONDS, "0", &*cores);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--seconds" => seconds = words.next().context("`--seconds` needs a number after it")?,
            "--seed" => seed = words.next().context("`--seed` needs a number after it")?,
            "--at-once" => at_once = words.next().context("`--at-once` needs a number after it")?,
            flag if flag.starts_with('-') => {
                bail!("`{flag}` is not known; use --seconds N, --seed S or --at-once N")
            }
            name => names.push(name.to_owned()),
        }
    }
    for (flag, number) in [("--seconds", seconds), ("--seed", seed), ("--at-once", at_once)] {
        number.parse::<u32>().with_context(|| format!("`{flag} {number}`: give a number"))?;
    }
    let corpus = workspace.root.join("crates/fuzz/corpus");
    let known =
        fs::read_dir(&corpus)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut known: Vec<String> = known.collect();
    known.sort();
    for name in &names {
        ensure!(
            known.contains(name),
            "no reader is called `{name}`; there are {}",
            known.join(", ")
        );
    }
    find(&[("builds of the fuzzing engine", &["c++ --version"], "g++")])?;
    build(workspace)?;
    let queue = Mutex::new(if names.is_empty() { known } else { names }.into_iter());
    let at_once: usize = at_once.parse()?;
    let fed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once.max(1) {
            scope.spawn(|| {
                while let Some(name) = next(&queue) {
                    let one = feed(workspace, &corpus, &name, (seconds, seed));
                    locked(&fed).push(one.map(|fed| (name.clone(), fed)));
                }
            });
        }
    });
    let mut fed = fed
        .into_inner()
        .expect("no thread has panicked")
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    fed.sort_by(|a, b| a.0.cmp(&b.0));
    println!("\n{:<10} {:>12} {:>9}  found", "reader", "inputs", "a second");
    let mut failed = Vec::new();
    for (name, one) in &fed {
        let found = if one.is_fine { "nothing" } else { "see below" };
        let figure = |what| figure(&one.told, what);
        let (inputs, each) = (figure("number_of_executed_units"), figure("average_exec_per_sec"));
        println!("{name:<10} {inputs:>12} {each:>9}  {found}");
        failed.extend((!one.is_fine).then(|| format!("{name}:\n{}", one.told)));
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n\n"));
    Ok(())
}

/// As much of it as a change can wait for, by one seed: a change fails for what it does, and not by luck. So that it need
/// not wait longer, thrice as many at once as there are cores.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn run_some(workspace: &Workspace) -> Result<()> {
    let at_once = (3 * cores()).to_string();
    run(workspace, &["--seconds", "30", "--seed", "1", "--at-once", &at_once])
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The compiler, for cargo: the same with coverage, but for what runs while something is built.
///
/// # Errors
///
/// Where it cannot be started.
pub(crate) fn wrapped(arguments: &[OsString]) -> Result<Option<ExitCode>> {
    if env::var_os(WRAPS).is_none() {
        return Ok(None);
    }
    let [compiler, rest @ ..] = arguments else { bail!("cargo names no compiler") };
    let is_aside = rest.iter().any(|word| word == "build_script_build" || word == "proc-macro");
    let asks = rest.iter().any(|word| word == "--crate-name");
    let coverage: &[&str] = if asks && !is_aside { &COVERAGE } else { &[] };
    let status = Command::new(compiler).args(rest).args(coverage).status()?;
    Ok(Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
}

/// The whole workspace's features, so that its dependencies are those that everything else was built with.
fn build(workspace: &Workspace) -> Result<()> {
    // A step before may have built this program anew, and so taken the file away that runs.
    let running = Path::new("/proc/self/exe");
    let own = if running.exists() { running.to_owned() } else { env::current_exe()? };
    let wrapper = workspace.target.join("fuzz/compiler");
    fs::create_dir_all(workspace.target.join("fuzz"))?;
    fs::copy(own, &wrapper)?;
    let mut build = cargo();
    build
        .current_dir(&workspace.root)
        .args(["build", "--workspace", "--bin", "fuzz", "--features", "fuzz/engine"])
        .env("RUSTC_WORKSPACE_WRAPPER", wrapper)
        .env(WRAPS, "1")
        .env("CARGO_INCREMENTAL", "0");
    process::run(&mut build)
}

fn feed(
    workspace: &Workspace,
    corpus: &Path,
    name: &str,
    (seconds, seed): (&str, &str),
) -> Result<Fed> {
    let folder = workspace.target.join("fuzz");
    let own = folder.join(name);
    fs::create_dir_all(&own)?;
    let log = folder.join(format!("{name}.log"));
    println!("{name}: {seconds} s, told in {}", log.display());
    let file = File::create(&log)?;
    // Behind whatever else is at work: it takes any time that it is given.
    let mut engine = Command::new("nice");
    engine.args(["-n", "5"]).arg(workspace.target.join("debug/fuzz"));
    engine.arg(&own).arg(corpus.join(name));
    let status = engine
        .arg(format!("-max_total_time={seconds}"))
        // Of 0 the engine makes another one each time.
        .arg(format!("-seed={seed}"))
        .arg(format!("-artifact_prefix={}/{name}-", folder.display()))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
        .env("SENDGATE_FUZZ", name)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()?;
    let told = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let told: Vec<&str> = told.lines().collect();
    let told = told[told.len().saturating_sub(40)..].join("\n");
    Ok(Fed { is_fine: status.success(), told })
}

fn next(queue: &Mutex<impl Iterator<Item = String>>) -> Option<String> {
    locked(queue).next()
}

fn locked<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().expect("no thread has panicked")
}

/// The figure that the engine tells as `stat::WHAT: N` at its end.
fn figure<'a>(told: &'a str, what: &str) -> &'a str {
    let line = told.lines().find(|line| line.starts_with("stat::") && line.contains(what));
    line.and_then(|line| line.rsplit(' ').next()).unwrap_or("?")
}
