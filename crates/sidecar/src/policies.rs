//! From the configuration's policies to a chain, and what is said of a policy.

use std::iter;
use std::sync::Arc;

use policy_host::{
    CandidateSource, Grant, LoadError, LoadFault, Mode, Module, Policy, PolicyChain, PolicyName,
    PolicyRuntime, PolicySource, Problem,
};
use serde_json::{Value, json};

use crate::config::hidden::shown;
use crate::config::{ModuleSource, PolicyEntry};
use crate::modules::Modules;
use crate::policy::rehearsal;
use crate::reasons::masked;
use crate::terminal::plain;

/// Builds the next chain of `modules`, reusing from `previous` what is the same.
///
/// # Errors
///
/// One line for every fault of every policy, each with its place in the configuration.
pub(crate) async fn build(
    runtime: &PolicyRuntime,
    previous: Option<&PolicyChain>,
    entries: &[PolicyEntry],
    modules: &Modules,
) -> Result<PolicyChain, Vec<String>> {
    let (sources, mut lines) = sources(entries, modules);
    lines.extend(out_of_order(entries));
    if !lines.is_empty() {
        lines.extend(load_faults(runtime, previous, &sources, entries).await);
        return Err(lines);
    }
    let chain = match runtime.build(previous, &sources).await {
        Ok(chain) => chain,
        Err(errors) => {
            let mut lines: Vec<String> = errors.iter().flat_map(|err| said(err, entries)).collect();
            lines.extend(cases_of_others(runtime, previous, &errors, &sources, entries).await);
            return Err(lines);
        }
    };
    let lines = own_cases(&chain, previous, entries).await;
    if lines.is_empty() { Ok(chain) } else { Err(lines) }
}

/// Runs the cases that modules bring along, candidates' too, where `previous` did not have the module under the same
/// limits; a line for every case that differs.
async fn own_cases(
    chain: &PolicyChain,
    previous: Option<&PolicyChain>,
    entries: &[PolicyEntry],
) -> Vec<String> {
    let what = |module: &Module| (module.digest(), module.limits());
    let before = previous.into_iter().flat_map(PolicyChain::policies);
    let before = before.flat_map(|policy| iter::once(policy.module()).chain(policy.candidate()));
    let known: Vec<_> = before.map(|module| what(&module)).collect();
    let (mut run, mut lines) = (Vec::new(), Vec::new());
    for policy in chain.policies() {
        let own = |entry: &&PolicyEntry| entry.name == policy.name().as_str();
        let Some(entry) = entries.iter().find(own) else { continue };
        let candidate = policy.candidate().map(|module| ("candidate", module));
        for (key, module) in iter::once(("module", policy.module())).chain(candidate) {
            if known.contains(&what(&module)) {
                continue;
            }
            let nth = match run.iter().position(|(before, _)| *before == what(&module)) {
                Some(nth) => nth,
                None => {
                    run.push((what(&module), rehearsal::own(&module).await));
                    run.len() - 1
                }
            };
            lines.extend(run[nth].1.iter().map(|differs| entry.fault(key, differs)));
        }
    }
    lines
}

/// What is wrong with these policies, where the rest of their configuration is refused anyway: a line for every fault.
pub(crate) async fn faults(
    runtime: &PolicyRuntime,
    previous: Option<&PolicyChain>,
    entries: &[PolicyEntry],
    modules: &Modules,
) -> Vec<String> {
    let (sources, mut lines) = sources(entries, modules);
    lines.extend(out_of_order(entries));
    lines.extend(load_faults(runtime, previous, &sources, entries).await);
    lines
}

/// Says which of two is in force, of every policy with a candidate.
pub(crate) fn log_trials(chain: &PolicyChain, entries: &[PolicyEntry]) {
    log_idle(&idle_candidates(chain, entries));
    for policy in chain.policies() {
        let Some(trial) = policy.trial() else { continue };
        tracing::info!(
            policy.name = %policy.name(),
            in_force = %policy.digest(),
            candidate = %trial.digest,
            "a candidate is on trial; `module` is in force, even if the candidate was before a restart"
        );
    }
}

/// A warning for each candidate that is what is in force: there is nothing to try.
pub(crate) fn idle_candidates(chain: &PolicyChain, entries: &[PolicyEntry]) -> Vec<String> {
    let is_idle = |(policy, entry): &(&Arc<Policy>, &PolicyEntry)| {
        entry.candidate.is_some() && policy.trial().is_none()
    };
    let idle = chain.policies().iter().zip(entries).filter(is_idle);
    let detail = "has the bytes and the settings of `module`, so nothing is on trial; name another module or \
                  `candidate_settings`, or take it out";
    idle.map(|(_, entry)| entry.fault("candidate", detail)).collect()
}

/// Tells these as what the configuration itself is warned about.
pub(crate) fn log_idle(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!(warning, "configuration");
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
        "asked_again": manifest.asked_again,
        "buckets": manifest.buckets,
    })
}

/// The policies whose modules could be read, and a line for each module that could not.
fn sources(entries: &[PolicyEntry], modules: &Modules) -> (Vec<PolicySource>, Vec<String>) {
    let (mut sources, mut lines) = (Vec::new(), Vec::new());
    for entry in entries {
        match source(entry, modules) {
            Some(Ok(source)) => sources.push(source),
            Some(Err(line)) => lines.push(line),
            None => {}
        }
    }
    (sources, lines)
}

async fn load_faults(
    runtime: &PolicyRuntime,
    previous: Option<&PolicyChain>,
    sources: &[PolicySource],
    entries: &[PolicyEntry],
) -> Vec<String> {
    let errors = runtime.faults(previous, sources).await;
    let mut lines: Vec<String> = errors.iter().flat_map(|err| said(err, entries)).collect();
    lines.extend(cases_of_others(runtime, previous, &errors, sources, entries).await);
    lines
}

/// What differs in the cases of those that load, where others do not.
async fn cases_of_others(
    runtime: &PolicyRuntime,
    previous: Option<&PolicyChain>,
    errors: &[LoadError],
    sources: &[PolicySource],
    entries: &[PolicyEntry],
) -> Vec<String> {
    let loads = |source: &&PolicySource| errors.iter().all(|err| err.policy != source.name);
    let sound: Vec<PolicySource> = sources.iter().filter(loads).cloned().collect();
    match runtime.build(previous, &sound).await {
        Ok(chain) => own_cases(&chain, previous, entries).await,
        Err(_) => Vec::new(),
    }
}

/// Policies that may send to another handset after one that keeps account of handsets: policies with `state` are not
/// asked again about what was amended, so the other handset would pass them by.
fn out_of_order(entries: &[PolicyEntry]) -> Vec<String> {
    let counts =
        |entry: &&PolicyEntry| entry.mode == Mode::Enforce && entry.grants.contains(Grant::State);
    let redirects = |entry: &PolicyEntry| {
        entry.mode == Mode::Enforce && entry.grants.contains(Grant::AmendRecipient)
    };
    let numbered = entries.iter().enumerate().filter(|(_, entry)| redirects(entry));
    let faults = numbered.filter_map(|(nth, entry)| {
        let before = entries[..nth].iter().filter(counts).find(|other| share_an_app(other, entry))?;
        let detail = format_args!(
            "has \"amend-recipient\" and stands after {}, which has \"state\" and is not asked about the recipient that \
             it would put in; put {} before it",
            before.key, entry.name
        );
        Some(entry.fault("grants", detail))
    });
    faults.collect()
}

/// Whether some app's messages pass both.
fn share_an_app(one: &PolicyEntry, other: &PolicyEntry) -> bool {
    match (&one.apps, &other.apps) {
        (Some(one), Some(other)) => one.iter().any(|app| other.contains(app)),
        _ => true,
    }
}

/// `None` where nobody looked for a module of it.
fn source(entry: &PolicyEntry, modules: &Modules) -> Option<Result<PolicySource, String>> {
    let read = |key: &str, source: &ModuleSource| {
        Some(modules.get(source)?.map_err(|why| entry.fault(key, why)))
    };
    let module = match read("module", &entry.module)? {
        Ok(module) => module,
        Err(line) => return Some(Err(line)),
    };
    let candidate = match &entry.candidate {
        Some(candidate) => match read("candidate", &candidate.module)? {
            Ok(module) => Some(CandidateSource {
                module,
                settings: entry.candidate_settings().clone(),
                rules: candidate.rules.clone(),
            }),
            Err(line) => return Some(Err(line)),
        },
        None => None,
    };
    Some(Ok(PolicySource {
        name: PolicyName::new(entry.name.as_str()),
        module,
        budget: entry.budget,
        candidate,
        settings: entry.settings().clone(),
        grants: entry.grants,
        on_failure: entry.on_failure,
        mode: entry.mode,
        apps: entry.apps.clone(),
        isolation: entry.isolation,
        limits: entry.limits,
        known_apps: Some(Arc::clone(&entry.known_apps)),
    }))
}

/// What is wrong with one policy, with file, line and key; a settings problem each on its own line.
fn said(err: &LoadError, entries: &[PolicyEntry]) -> Vec<String> {
    let named = |entry: &&PolicyEntry| entry.name == err.policy.as_str();
    let Some(entry) = entries.iter().find(named) else { return vec![chain(err)] };
    if let LoadFault::Settings(problems) = &err.fault {
        let (given, settings) = match err.candidate {
            true => (entry.candidate_settings(), "candidate_settings"),
            false => (entry.settings(), "settings"),
        };
        // What stands for a fault is told already; so what is said of the entry around it follows from that.
        let is_told = |pointer| {
            given.is_null()
                || given.pointer(pointer).is_some_and(|found| {
                    let members = found.as_object().into_iter().flat_map(|table| table.values());
                    let mut within = members.chain(found.as_array().into_iter().flatten());
                    found.is_null() || within.any(Value::is_null)
                })
        };
        let place = |pointer: &str| match err.candidate {
            true => entry.locate_candidate(pointer),
            false => entry.locate(pointer),
        };
        let mut news: Vec<_> =
            problems.iter().filter(|problem| !is_told(&problem.pointer)).collect();
        news.sort_by_key(|problem| place(&problem.pointer));
        let line = |Problem { pointer, detail, .. }: &Problem| {
            let (at, key) = (place(pointer), dotted(given, pointer));
            plain(&format!("{at}: {}.{settings}{key}: {detail}", entry.key))
        };
        return news.into_iter().map(line).collect();
    }
    let key = match &err.fault {
        _ if err.candidate => "candidate",
        LoadFault::MissingGrants(_) => "grants",
        LoadFault::MemoryLimit { .. } => "memory_mb",
        LoadFault::Trial { step: "configure", .. } => "settings",
        _ => "module",
    };
    vec![entry.fault(key, chain(&err.fault))]
}

/// `pointer` (RFC 6901) into the settings `given`, as keys are told everywhere: `.limits[0].name`.
fn dotted(given: &Value, pointer: &str) -> String {
    let (mut key, mut around) = (String::new(), Some(given));
    let is_place =
        |segment: &str| !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
    for segment in pointer.split('/').skip(1) {
        match around {
            Some(Value::Array(_)) => key += &format!("[{segment}]"),
            // In a list that is a default, or was read of something else that is no table.
            None if is_place(segment) => key += &format!("[{segment}]"),
            _ => {
                let name = segment.replace("~1", "/").replace("~0", "~");
                key += &format!(".{}", masked(&shown(&name)));
            }
        }
        around = around.and_then(|value| value.pointer(&format!("/{segment}")));
    }
    key
}

/// An error and what is behind it, each level in its own words.
pub(crate) fn chain(err: &dyn std::error::Error) -> String {
    // A trap brings its backtrace along, which is the log's, not a status page's.
    let first =
        |err: &dyn std::error::Error| plain(err.to_string().lines().next().unwrap_or_default());
    let mut said = first(err);
    let mut source = err.source();
    while let Some(err) = source {
        said.push_str(": ");
        said.push_str(&first(err));
        source = err.source();
    }
    said
}
