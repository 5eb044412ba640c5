//! `sendgate policy inspect`: what a module is, and the lines that load it.

use std::io::{self, Write as _};
use std::path::Path;

use policy_cases::Case;
use policy_host::{Grant, Module, VisitLimits};
use serde_json::{Value, json};

use super::schema::{every, key, settings, toml};
use super::{Failure, Named};
use crate::terminal::{self, line};

/// Prints what a module is.
pub(super) fn inspect(named: &Named, as_json: bool) -> Result<(), Failure> {
    let (path, bytes) = (named.name.as_path(), named.bytes.len());
    named.with(VisitLimits::default(), async |module| {
        let cases = match module.cases() {
            Some(own) => policy_cases::parse(&String::from_utf8_lossy(own))
                .map_err(|err| Failure::Cases(path.into(), err))?,
            None => Vec::new(),
        };
        let schema = serde_json::from_str(&module.manifest().settings_schema).unwrap_or_default();
        let grants = grants(&module, &schema, &cases);
        let block = block(path, &module, &grants, &schema, &cases);
        let mut out = io::stdout().lock();
        if as_json {
            let manifest = module.manifest();
            let shown = json!({
                "name": manifest.name,
                "version": &*manifest.version,
                "summary": manifest.summary,
                "buckets": manifest.buckets,
                "settings_schema": schema,
                "contract": module.contract(),
                "imports": module.imports(),
                "grants": grants.iter().map(|grant| grant.as_str()).collect::<Vec<_>>(),
                "is_told": module.hooks(),
                "asked_again": manifest.asked_again,
                "bytes": bytes,
                "digest": module.digest().to_string(),
                "cases": cases.len(),
                "configuration": block,
            });
            writeln!(out, "{}", terminal::json(&shown))?;
            return Ok(());
        }
        print(&mut out, path, bytes, &module, &schema, cases.len())?;
        writeln!(out, "\nTo load it, write in sidecar.toml:\n\n{block}")?;
        Ok(())
    })
}

/// What its imports and its settings as a whole need, and what its cases expect of it besides.
fn grants(module: &Module, schema: &Value, cases: &[Case]) -> Vec<Grant> {
    let amends = cases.iter().map(Case::amends);
    let (amends, redirects) =
        amends.fold((false, false), |all, own| (all.0 || own.0, all.1 || own.1));
    let own = |grant: &Grant| {
        let asked = schema["x-needs-grant"][grant.as_str()] == true;
        asked
            || match grant {
                Grant::Amend => amends,
                Grant::AmendRecipient => redirects,
                _ => module.needs().contains(*grant),
            }
    };
    Grant::ALL.into_iter().filter(own).collect()
}

fn print(
    out: &mut impl io::Write,
    path: &Path,
    bytes: usize,
    module: &Module,
    schema: &Value,
    cases: usize,
) -> io::Result<()> {
    let manifest = module.manifest();
    let none = |list: &[String]| if list.is_empty() { "nothing".into() } else { list.join(", ") };
    let told = match &module.hooks()[..] {
        [] => "nothing afterwards".to_owned(),
        hooks => hooks.join(", "),
    };
    line(out, format_args!("{} {}: {}", manifest.name, manifest.version, manifest.summary))?;
    line(out, format_args!("  file      {}, {bytes} bytes", path.display()))?;
    line(out, format_args!("  digest    {}", module.digest()))?;
    line(out, format_args!("  contract  {}", module.contract()))?;
    line(out, format_args!("  imports   {}", none(module.imports())))?;
    line(out, format_args!("  is told   {told}"))?;
    if manifest.asked_again {
        line(out, format_args!("  asked     again, before a call that comes late"))?;
    }
    line(out, format_args!("  keeps     {}", none(&manifest.buckets)))?;
    line(out, format_args!("  cases     {cases}"))?;
    for (nth, (path, setting)) in every(schema).iter().enumerate() {
        let heading = if nth == 0 { "settings" } else { "" };
        let default = match (setting.required, setting.default) {
            (true, _) => "required".to_owned(),
            (false, Some(default)) => toml(default),
            (false, None) => "may be left out".to_owned(),
        };
        line(out, format_args!("  {heading:<9} {path} ({}): {default}", setting.kind))?;
        if !setting.about.is_empty() {
            line(out, format_args!("  {:<11} {}", "", setting.about))?;
        }
    }
    Ok(())
}

/// The table that loads it: required settings from the cases, or empty ones to be filled in; defaults as comments.
fn block(path: &Path, module: &Module, grants: &[Grant], schema: &Value, cases: &[Case]) -> String {
    let words: Vec<String> = grants.iter().map(|grant| format!("{:?}", grant.as_str())).collect();
    let mut lines = vec![
        "[[policies]]".to_owned(),
        format!("name = {}", Value::from(&*module.manifest().name)),
        format!("module = {}", Value::from(path.to_string_lossy())),
    ];
    if !words.is_empty() {
        lines.push(format!("grants = [{}]", words.join(", ")));
    }
    lines.push("[policies.settings]".to_owned());
    let fitting = cases.iter().filter(|case| case.problems.is_none());
    for setting in settings(schema) {
        let key = key(setting.name);
        let example = fitting.clone().find_map(|case| case.settings.get(setting.name));
        match (setting.required, setting.default, example) {
            (true, _, Some(value)) => lines.push(format!("{key} = {}", toml(value))),
            (true, _, None) => lines.push(format!("{key} = {}", setting.empty)),
            (false, Some(value), _) => lines.push(format!("# {key} = {}", toml(value))),
            (false, None, _) => {}
        }
    }
    // Whatever the module says stands in strings.
    terminal::in_strings(&lines.join("\n"))
}
