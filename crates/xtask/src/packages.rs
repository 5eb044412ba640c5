//! The crates that are built here, those of the registry among them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;
use crate::workspace::{Workspace, cargo};

/// A crate in one version.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Its licence, as an SPDX expression.
    pub(crate) license: Option<String>,
    /// Where it is from; none for a member of this workspace.
    pub(crate) source: Option<String>,
    /// The folder of its manifest.
    pub(crate) folder: PathBuf,
    /// What its manifest asks for by `*`, of a registry.
    pub(crate) wildcards: Vec<String>,
}

/// Every crate that any member asks for on `target`, for tests and builds as well.
///
/// # Errors
///
/// Where cargo cannot be asked.
pub(crate) fn all(workspace: &Workspace, target: &str) -> Result<Vec<Package>> {
    let words = ["metadata", "--format-version", "1", "--locked", "--filter-platform", target];
    let text = process::read(cargo().current_dir(&workspace.root).args(words))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("it has no packages")?;
    packages.iter().map(|package| read(package).context("a package lacks its name")).collect()
}

fn read(package: &Value) -> Option<Package> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let asked = package["dependencies"].as_array()?.iter();
    let wild = asked.filter(|asked| asked["req"] == "*" && !asked["source"].is_null());
    Some(Package {
        name: text(&package["name"])?,
        version: text(&package["version"])?,
        // How crates wrote it before SPDX.
        license: text(&package["license"]).map(|license| license.replace('/', " OR ")),
        source: text(&package["source"]),
        folder: Path::new(package["manifest_path"].as_str()?).parent()?.to_owned(),
        wildcards: wild.filter_map(|asked| text(&asked["name"])).collect(),
    })
}

/// Name and version of what becomes part of `roots` on `target`: neither macros, nor what builds or tests.
///
/// # Errors
///
/// Where cargo cannot be asked.
pub(crate) fn linked(
    workspace: &Workspace,
    roots: &[&str],
    target: &str,
) -> Result<BTreeSet<(String, String)>> {
    let mut tree = cargo();
    tree.current_dir(&workspace.root).args(["tree", "--locked", "--prefix", "none"]);
    tree.args(["--edges", "normal,no-proc-macro", "--target", target]);
    for root in roots {
        tree.args(["--package", root]);
    }
    let listed = process::read(&mut tree)?;
    let words = listed.lines().map(|line| line.split(' '));
    Ok(words
        .filter_map(|mut words| {
            Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
        })
        .collect())
}

/// The target that this machine is, such as `x86_64-unknown-linux-gnu`.
///
/// # Errors
///
/// Where rustc does not tell.
pub(crate) fn host() -> Result<String> {
    let told = process::read(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc tells no host")?.to_owned())
}
