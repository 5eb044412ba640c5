//! `sendgate doctor`: what stands in the way of sending, and what to do about it.
//!
//! It is harmless beside a running sidecar: nothing is sent, nothing is made, and the store is read only. What takes
//! time is asked at once, each for a bounded time, and told in a fixed order.

mod beside;
mod doors;
mod finding;
mod kept;
mod machine;
mod upstream;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use self::finding::{Finding, Verdict};
use crate::config::{Config, Environment};
use crate::{Failure, check, terminal};

/// Longest that one check may take.
const MOST: Duration = Duration::from_secs(10);
/// Longest that it waits for one thing, so that it can say what.
const PATIENCE: Duration = Duration::from_secs(4);

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Nothing failed; there may be warnings.
    Well,
    /// Something failed.
    Ill,
    /// The configuration is wrong, or a policy does not load by it.
    Wrong,
}

impl Health {
    /// 0, 1 and 2.
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// Checks everything that the configuration at `path` names, and prints what was seen; as JSON where `as_json`.
///
/// # Errors
///
/// Every fault of the configuration, without which nothing can be checked; the system refuses what the program needs.
pub fn doctor(path: &Path, as_json: bool, environment: &Environment) -> Result<Health, Failure> {
    let config = match Config::load(path, environment).map_err(check::refused) {
        Ok(config) => config,
        Err(faults) => {
            if as_json {
                let to_do = "mend the file; `sendgate check` tells the same";
                let faults = Finding::fail("configuration", faults.to_string(), to_do);
                print_json(&[faults], Health::Wrong)?;
            }
            return Err(faults);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (findings, health) = runtime.block_on(examine(path, &config, environment));
    // What was given up is not waited for.
    runtime.shutdown_background();
    if as_json {
        print_json(&findings, health)?;
    } else {
        let mut out = io::stdout().lock();
        findings.iter().try_for_each(|finding| write!(out, "{finding}"))?;
        let count = |verdict| findings.iter().filter(|each| each.verdict == verdict).count();
        let (failures, warnings) = (count(Verdict::Fail), count(Verdict::Warn));
        writeln!(out, "{failures} failed, {warnings} warned about")?;
    }
    Ok(health)
}

fn print_json(findings: &[Finding], health: Health) -> io::Result<()> {
    let checks: Vec<_> = findings.iter().map(Finding::to_json).collect();
    let shown = json!({"well": health == Health::Well, "checks": checks});
    writeln!(io::stdout().lock(), "{}", terminal::in_strings(&format!("{shown:#}")))
}

async fn examine(
    path: &Path,
    config: &Config,
    environment: &Environment,
) -> (Vec<Finding>, Health) {
    let (fixed, settings) = (&config.fixed, &config.reloadable);
    let (kept, traces) = (fixed.clone(), fixed.clone());
    let (policies, plivo, kept, doors, callbacks, redis, collector) = tokio::join!(
        timeout(MOST * 6, policies(config)),
        within("plivo", upstream::look(settings)),
        within("store", blocking(move || kept::look(&kept))),
        within("listeners", doors::listeners(&fixed.listen)),
        within("callbacks", doors::callbacks(fixed.listen.callbacks.as_ref())),
        within(
            "redis",
            beside::redis(fixed.store.shared.as_ref().zip(settings.shared_url.as_ref()))
        ),
        within("collector", blocking(move || beside::collector(&traces))),
    );
    let (policies, loads) = policies.unwrap_or_else(|_| (late("policies", MOST * 6), true));
    let mut findings = vec![Finding::ok(
        "configuration",
        format!(
            "{} can be used: {}",
            path.display(),
            terminal::counted(settings.apps.len() as u64, "app", "apps")
        ),
    )];
    let warned = config.warnings.iter();
    findings.extend(warned.map(|warning| {
        Finding::warn(
            "configuration",
            warning.to_string(),
            "mend it in the file, or leave it where it is meant so",
        )
    }));
    findings.extend(machine::secrets(path, config));
    let rest = [policies, plivo, kept, doors, callbacks, redis, collector];
    findings.extend(rest.into_iter().flatten());
    findings.extend(machine::look(&fixed.listen, settings, environment));
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    let health = match (loads, failed) {
        (false, _) => Health::Wrong,
        (true, true) => Health::Ill,
        (true, false) => Health::Well,
    };
    (findings, health)
}

/// Whether every policy loads, and whether it is no fault of the files where one does not.
async fn policies(config: &Config) -> (Vec<Finding>, bool) {
    let failed = |check, lines: Vec<String>, to_do: &str| {
        lines.into_iter().map(|line| Finding::fail(check, line, to_do)).collect()
    };
    match check::look(config).await {
        Ok(chain) if chain.policies().is_empty() => {
            let to_do = "name policies under [[policies]], unless every message may go";
            (vec![Finding::warn("policies", "there are none: every message is sent", to_do)], true)
        }
        Ok(chain) => {
            let names: Vec<_> =
                chain.policies().iter().map(|policy| policy.name().as_str()).collect();
            (vec![Finding::ok("policies", format!("all load: {}", names.join(", ")))], true)
        }
        Err(Failure::NotPulled(lines)) => {
            let to_do =
                "see that the registry is up and lets this machine in ([registry] credentials)";
            (failed("registry", lines, to_do), true)
        }
        Err(Failure::Policies(lines)) => (
            failed(
                "policies",
                lines,
                "mend the file or the module; `sendgate check` tells the same",
            ),
            false,
        ),
        Err(other) => {
            let to_do = "run it where 2 TiB of addresses may be reserved (ulimit -v)";
            (failed("policies", vec![other.to_string()], to_do), true)
        }
    }
}

async fn within(check: &'static str, look: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    timeout(MOST, look).await.unwrap_or_else(|_| late(check, MOST))
}

fn late(check: &'static str, most: Duration) -> Vec<Finding> {
    let seen = format!("it took longer than {} s, and was given up", most.as_secs());
    vec![Finding::fail(
        check,
        seen,
        "ask again; where it stays so, look at the machine or the network",
    )]
}

async fn blocking(look: impl FnOnce() -> Vec<Finding> + Send + 'static) -> Vec<Finding> {
    spawn_blocking(look).await.unwrap_or_default()
}
