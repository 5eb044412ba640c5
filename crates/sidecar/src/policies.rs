//! From the configuration's policies to a chain, and what is said of a policy.

use policy_host::{
    Grant, LoadError, LoadFault, Policy, PolicyChain, PolicyName, PolicyRuntime, PolicySource,
};
use serde_json::{Value, json};

use crate::config::PolicyEntry;

/// Reads the modules and builds the next chain, reusing from `previous` what is the same.
///
/// # Errors
///
/// One line for every fault of every policy, each with its place in the configuration.
pub(crate) async fn build(
    runtime: &PolicyRuntime,
    previous: Option<&PolicyChain>,
    entries: &[PolicyEntry],
) -> Result<PolicyChain, Vec<String>> {
    let owned = entries.to_vec();
    let read =
        tokio::task::spawn_blocking(move || owned.iter().map(source).collect::<Vec<_>>()).await;
    let read = read.map_err(|err| vec![format!("the modules could not be read: {err}")])?;
    let (sources, unread): (Vec<_>, Vec<_>) = read.into_iter().partition(Result::is_ok);
    let mut lines: Vec<String> = unread.into_iter().filter_map(Result::err).collect();
    let sources: Vec<PolicySource> = sources.into_iter().filter_map(Result::ok).collect();
    match runtime.build(previous, &sources).await {
        Ok(chain) if lines.is_empty() => Ok(chain),
        Ok(_) => Err(lines),
        Err(errors) => {
            lines.extend(errors.iter().flat_map(|err| said(err, entries)));
            Err(lines)
        }
    }
}

/// A policy as `/policies` and `GET /v1/policies` show it.
pub(crate) fn describe(policy: &Policy) -> Value {
    let manifest = policy.manifest();
    json!({
        "name": policy.name().as_str(),
        "policy": &*manifest.name,
        "version": &*manifest.version,
        "summary": manifest.summary,
        "digest": policy.digest().to_string(),
        "mode": policy.mode().as_str(),
        "on_failure": policy.on_failure().as_str(),
        "grants": policy.grants().iter().map(Grant::as_str).collect::<Vec<_>>(),
        "apps": policy.apps().map(|apps| apps.iter().map(|app| &**app).collect::<Vec<_>>()),
        "buckets": manifest.buckets,
    })
}

fn source(entry: &PolicyEntry) -> Result<PolicySource, String> {
    let module = std::fs::read(&entry.module).map_err(|err| {
        let place = entry.locate("");
        format!(
            "{place}: policies.{}.module: {} cannot be read: {err}",
            entry.name,
            entry.module.display()
        )
    })?;
    Ok(PolicySource {
        name: PolicyName::new(entry.name.as_str()),
        module: module.into(),
        settings: entry.settings().clone(),
        grants: entry.grants,
        on_failure: entry.on_failure,
        mode: entry.mode,
        apps: entry.apps.clone(),
        isolation: entry.isolation,
        limits: entry.limits,
    })
}

/// What is wrong with one policy, with file, line and key; a settings problem each on its own line.
fn said(err: &LoadError, entries: &[PolicyEntry]) -> Vec<String> {
    let name = err.policy.as_str();
    let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
        return vec![chain(err)];
    };
    if let LoadFault::Settings(problems) = &err.fault {
        let line = |pointer: &str, detail: &str| {
            let key = pointer.replace('/', ".");
            format!("{}: policies.{name}.settings{key}: {detail}", entry.locate(pointer))
        };
        return problems.iter().map(|problem| line(&problem.pointer, &problem.detail)).collect();
    }
    vec![format!("{}: policies.{name}: {}", entry.locate(""), chain(&err.fault))]
}

/// An error and what is behind it, each level in its own words.
fn chain(err: &dyn std::error::Error) -> String {
    // A trap brings its backtrace along, which is the log's, not a status page's.
    let first =
        |err: &dyn std::error::Error| err.to_string().lines().next().unwrap_or_default().to_owned();
    let mut said = first(err);
    let mut source = err.source();
    while let Some(err) = source {
        said.push_str(": ");
        said.push_str(&first(err));
        source = err.source();
    }
    said
}
