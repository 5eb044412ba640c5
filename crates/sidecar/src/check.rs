//! `sendgate check`: everything that is wrong, before anything runs.

use std::io::{self, Write};
use std::iter;
use std::path::Path;
use std::sync::Arc;

use policy_host::{PolicyChain, PolicyRuntime, RuntimeOptions};
use store::MemoryLedger;
use telemetry::TelemetryOptions;

use crate::config::{Config, ConfigFaults, Environment, Finding, PolicyEntry};
use crate::modules::Modules;
use crate::run::telemetry_options;
use crate::terminal::{counted, line};
use crate::{Failure, policies};

/// Reads the configuration, loads every policy under its real limits, and says what is in order; with `print`, what the
/// configuration comes to as well.
///
/// # Errors
///
/// Every fault of the configuration or of the policies, each with its place.
pub fn check(path: &Path, print: bool, environment: &Environment) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let config = match Config::load(path, environment) {
        Ok(config) => config,
        Err(faults) => {
            for warning in faults.warnings() {
                writeln!(out, "warning: {warning}")?;
            }
            return Err(refused(faults));
        }
    };
    let options = telemetry_options(&config.fixed);
    if print {
        write!(out, "{}", config.effective)?;
        tell_of_variables(&mut out, &options)?;
    }
    for warning in &config.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    for warning in telemetry::passed_over(&options) {
        writeln!(out, "warning: {warning}")?;
    }
    if let Some(warning) = without_collector(&config, &options) {
        writeln!(out, "warning: {warning}")?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (chain, tags) = runtime.block_on(load(&config))?;
    for warning in policies::idle_candidates(&chain, &config.reloadable.policies) {
        line(&mut out, format_args!("warning: {warning}"))?;
    }
    for (pinned, outdated) in tags {
        match outdated {
            None => line(&mut out, format_args!("pinned as it is now: {pinned}"))?,
            Some(why) => line(
                &mut out,
                format_args!(
                    "warning: nobody knows what its tag leads to now ({why}); pinned as it was last: {pinned}"
                ),
            )?,
        }
    }
    for policy in chain.policies() {
        let manifest = policy.manifest();
        let (name, own, version) = (policy.name(), &manifest.name, &manifest.version);
        line(&mut out, format_args!("policy {name}: {own} {version}, {}", policy.digest()))?;
        if let Some(trial) = policy.trial() {
            let (version, digest) = (&trial.version, trial.digest);
            line(&mut out, format_args!("policy {name}: on trial: {version}, {digest}"))?;
        }
    }
    writeln!(
        out,
        "{} is in order: {}, {}",
        path.display(),
        counted(config.reloadable.apps.len() as u64, "app", "apps"),
        counted(chain.policies().len() as u64, "policy", "policies")
    )?;
    Ok(())
}

/// That the decision log is to go to a collector, which neither the file nor a variable names.
fn without_collector(config: &Config, options: &TelemetryOptions) -> Option<Finding> {
    let to = telemetry::destinations(options);
    let nowhere = to.iter().any(|(signal, to)| *signal == "log records" && to.is_none());
    config.fixed.decisions.without_collector().filter(|_| nowhere)
}

/// Tells which of OpenTelemetry's variables are set, and where telemetry goes by them.
fn tell_of_variables(out: &mut impl Write, options: &TelemetryOptions) -> io::Result<()> {
    let names = otel_variables();
    if names.is_empty() {
        return Ok(());
    }
    for name in names {
        writeln!(
            out,
            "{name} is set; unless it is warned of, it wins over [telemetry] (README, \"Traces\")"
        )?;
    }
    for (signal, to) in telemetry::destinations(options) {
        match to {
            Some(endpoint) => line(out, format_args!("{signal} go to {endpoint}"))?,
            None => line(out, format_args!("{signal} go nowhere"))?,
        }
    }
    Ok(())
}

/// The names of OpenTelemetry's variables that are set.
fn otel_variables() -> Vec<String> {
    let set = std::env::vars_os().filter(|(_, value)| !value.is_empty());
    let names = set.filter_map(|(name, _)| name.into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("OTEL_")).collect();
    names.sort();
    names
}

/// What tags lead to, pinned, and why that is only what they led to last.
type Tags = Vec<(String, Option<String>)>;

/// Loads every policy under its real limits; and of those that a registry gave by tag alone, what they are now.
///
/// # Errors
///
/// Every policy that does not load.
pub(crate) async fn load(config: &Config) -> Result<(PolicyChain, Tags), Failure> {
    let options = RuntimeOptions {
        compile_cache: config.fixed.compile_cache.clone(),
        ..RuntimeOptions::new(Arc::new(MemoryLedger::default()))
    };
    let engine = PolicyRuntime::new(options)?;
    let mut modules = Modules::read(&config.reloadable).await;
    let chain = policies::build(&engine, None, &config.reloadable.policies, &modules).await;
    let chain = chain.map_err(|lines| Failure::of_policies(lines, &modules))?;
    modules.pulled.remember().await;
    Ok((chain, modules.pulled.tags()))
}

/// The same, and nothing is made or kept: neither what was compiled nor what was pulled, nor what a tag led to.
///
/// # Errors
///
/// As [`load`].
pub(crate) async fn look(config: &Config) -> Result<PolicyChain, Failure> {
    #[cfg_attr(not(feature = "oci"), expect(unused_mut, reason = "there is nothing to be kept"))]
    let mut settings = config.reloadable.clone();
    #[cfg(feature = "oci")]
    {
        settings.registry.keeps = false;
    }
    let engine = PolicyRuntime::new(RuntimeOptions::new(Arc::new(MemoryLedger::default())))?;
    let modules = Modules::read(&settings).await;
    let chain = policies::build(&engine, None, &settings.policies, &modules).await;
    chain.map_err(|lines| Failure::of_policies(lines, &modules))
}

/// Everything that is wrong: a configuration's faults, and those of its policies' modules and settings.
pub fn refused(faults: ConfigFaults) -> Failure {
    let found = load_faults(&faults);
    // What keeps the policies from being tried is no news to somebody who must mend the file first.
    let of_policies = found.unwrap_or_default();
    if of_policies.is_empty() {
        return faults.into();
    }
    let own = faults.faults().iter().map(ToString::to_string);
    Failure::Policies(own.chain(of_policies).collect())
}

fn load_faults(faults: &ConfigFaults) -> Result<Vec<String>, Failure> {
    if faults.policies().is_empty() {
        return Ok(Vec::new());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ledger = Arc::new(MemoryLedger::default());
    runtime.block_on(async {
        let engine = PolicyRuntime::new(RuntimeOptions::new(ledger))?;
        let modules = Modules::of_faulty(faults).await;
        let mut lines = policies::faults(&engine, None, faults.policies(), &modules).await;
        lines.extend(passed_over(faults.policies(), &modules));
        Ok(lines)
    })
}

/// That modules in registries were not looked at, told at the first of them: one line, since one mend does for all.
fn passed_over(entries: &[PolicyEntry], modules: &Modules) -> Option<String> {
    let mut named = entries.iter().flat_map(|entry| {
        let candidate = entry.candidate.as_ref().map(|candidate| ("candidate", &candidate.module));
        iter::once(("module", &entry.module)).chain(candidate).map(move |each| (entry, each))
    });
    let (entry, (key, _)) = named.find(|(_, (_, source))| modules.get(source).is_none())?;
    let detail = "is in a registry, and was passed over like all that are, since [registry] is at fault; mend that first";
    Some(entry.fault(key, detail))
}
