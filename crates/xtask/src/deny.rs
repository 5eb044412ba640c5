//! `cargo xtask deny`: the licences, bans and sources that `.cargo/deny.toml` allows, of every crate here.
//!
//! It is what cargo-deny does with these three sections of the file, in a second. cargo-deny itself takes minutes to be
//! compiled, and what is installed ready-made of it does not read this workspace.

mod expression;

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use toml::{Table, Value};

use crate::packages::{self, Package};
use crate::workspace::Workspace;

const FILE: &str = ".cargo/deny.toml";

/// Those of cargo-deny's keys that are looked at; any other is refused, since it would be of no effect.
struct Rules {
    targets: Vec<String>,
    licences: Vec<String>,
    registries: Vec<String>,
    banned: Vec<String>,
    several: Level,
    wildcards: Level,
    unknown_registry: Level,
    unknown_git: Level,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Allow,
    Warn,
    Deny,
}

/// What was found, and how much it matters.
#[derive(Default)]
struct Findings {
    faults: Vec<String>,
    warnings: Vec<String>,
}

/// Checks every crate that any target asks for.
///
/// # Errors
///
/// Where one is not as the file wants it, or cargo cannot be asked.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let text =
        fs::read_to_string(workspace.root.join(FILE)).with_context(|| format!("no {FILE}"))?;
    let rules = Rules::read(&text).with_context(|| FILE.to_owned())?;
    let mut packages: Vec<Package> = Vec::new();
    for target in &rules.targets {
        packages.extend(packages::all(workspace, target)?);
    }
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    packages.dedup_by(|a, b| (&a.name, &a.version) == (&b.name, &b.version));
    let found = findings(&rules, &packages);
    for warning in &found.warnings {
        println!("deny, a warning: {warning}");
    }
    for fault in &found.faults {
        println!("deny: {fault}");
    }
    ensure!(found.faults.is_empty(), "{} crates are not as {FILE} wants them", found.faults.len());
    println!("{} crates are as {FILE} wants them", packages.len());
    Ok(())
}

impl Rules {
    fn read(text: &str) -> Result<Self> {
        let mut file: Table = text.parse()?;
        let mut taken = |section: &str, key: &str| {
            let table = file.get_mut(section).and_then(Value::as_table_mut);
            let value = table.and_then(|table| table.remove(key));
            value.with_context(|| format!("[{section}] lacks `{key}`"))
        };
        let paths = taken("bans", "allow-wildcard-paths")?;
        ensure!(paths.as_bool() == Some(true), "`allow-wildcard-paths`: members have no versions");
        let rules = Self {
            targets: words(taken("graph", "targets")?)?,
            licences: words(taken("licenses", "allow")?)?,
            registries: words(taken("sources", "allow-registry")?)?,
            banned: words(taken("bans", "deny")?)?,
            several: Level::read(&taken("bans", "multiple-versions")?)?,
            wildcards: Level::read(&taken("bans", "wildcards")?)?,
            unknown_registry: Level::read(&taken("sources", "unknown-registry")?)?,
            unknown_git: Level::read(&taken("sources", "unknown-git")?)?,
        };
        file.retain(|_, section| section.as_table().is_none_or(|table| !table.is_empty()));
        ensure!(file.is_empty(), "nothing is done about {file:?}");
        Ok(rules)
    }
}

/// A list of texts, or of tables with the key `crate` alone.
fn words(value: Value) -> Result<Vec<String>> {
    let word = |value: &Value| match value {
        Value::Table(table) if table.len() == 1 => table.get("crate")?.as_str().map(str::to_owned),
        value => value.as_str().map(str::to_owned),
    };
    let words = value.as_array().and_then(|values| values.iter().map(word).collect());
    words.with_context(|| format!("{value:?} is no list of words"))
}

impl Level {
    fn read(value: &Value) -> Result<Self> {
        match value.as_str() {
            Some("allow") => Ok(Self::Allow),
            Some("warn") => Ok(Self::Warn),
            Some("deny") => Ok(Self::Deny),
            _ => bail!("{value:?} is neither allow nor warn nor deny"),
        }
    }
}

fn findings(rules: &Rules, packages: &[Package]) -> Findings {
    let mut found = Findings::default();
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for package in packages {
        let title = format!("{} {}", package.name, package.version);
        *versions.entry(&package.name).or_default() += 1;
        match package.license.as_deref().map(|it| expression::allows(it, &rules.licences)) {
            Some(Some(true)) => {}
            Some(Some(false)) => found.faults.push(format!(
                "{title} is licensed by {}, which is not allowed",
                package.license.as_deref().unwrap_or_default()
            )),
            Some(None) => found.faults.push(format!("{title} has a licence that cannot be read")),
            None => found.faults.push(format!("{title} says nothing of its licence")),
        }
        if rules.banned.contains(&package.name) {
            found.faults.push(format!("{title} is banned"));
        }
        for wild in &package.wildcards {
            found.add(rules.wildcards, format!("{title} takes any version of {wild}"));
        }
        let Some(source) = &package.source else { continue };
        match source.strip_prefix("registry+") {
            Some(url) if rules.registries.iter().any(|known| known == url) => {}
            Some(_) => found.add(rules.unknown_registry, format!("{title} is from {source}")),
            None => found.add(rules.unknown_git, format!("{title} is from {source}")),
        }
    }
    let several: Vec<&str> =
        versions.iter().filter(|(_, count)| **count > 1).map(|(name, _)| *name).collect();
    if !several.is_empty() {
        let several = format!("in several versions: {}", several.join(", "));
        found.add(rules.several, several);
    }
    found
}

impl Findings {
    fn add(&mut self, level: Level, what: String) {
        match level {
            Level::Allow => {}
            Level::Warn => self.warnings.push(what),
            Level::Deny => self.faults.push(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Package, Rules, findings};

    const OURS: &str = include_str!("../../../.cargo/deny.toml");

    fn package(name: &str, license: Option<&str>) -> Package {
        Package {
            name: name.into(),
            version: "1.0.0".into(),
            license: license.map(str::to_owned),
            source: Some("registry+https://github.com/rust-lang/crates.io-index".into()),
            folder: "/".into(),
            wildcards: Vec::new(),
        }
    }

    #[test]
    fn each_rule_names_the_crate_that_is_against_it() {
        let rules = Rules::read(OURS).expect("our own file");
        let fine = package("fine", Some("GPL-3.0 OR MIT"));
        let git = Some("git+https://github.com/somebody/something".to_owned());
        let elsewhere = Package { source: git, ..package("elsewhere", Some("MIT")) };
        let wild = Package { wildcards: vec!["fine".into()], ..package("wild", Some("MIT")) };
        let packages = [
            fine,
            package("viral", Some("GPL-3.0-only")),
            package("silent", None),
            package("openssl-sys", Some("MIT")),
            elsewhere,
            wild,
            package("twice", Some("MIT")),
            package("twice", Some("MIT")),
        ];

        let found = findings(&rules, &packages);

        let starts: Vec<&str> =
            found.faults.iter().filter_map(|fault| fault.split(' ').next()).collect();
        assert_eq!(starts, ["viral", "silent", "openssl-sys", "elsewhere", "wild"]);
        assert_eq!(found.warnings, ["in several versions: twice"]);
    }

    #[test]
    fn a_key_that_is_not_looked_at_is_refused() {
        let other = OURS.replace("[sources]", "[sources]\nallow-git = []");
        assert!(Rules::read(&other).is_err());
    }
}
