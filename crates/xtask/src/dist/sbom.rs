//! The bill of materials, as CycloneDX 1.5.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::packages::Package;
use crate::process;
use crate::workspace::Workspace;

/// What `packages`, the C library and Rust's own are, with the digests that `Cargo.lock` has of those of the registry.
///
/// # Errors
///
/// Where `Cargo.lock` or the compilers cannot be asked.
pub(super) fn bill(workspace: &Workspace, packages: &[Package], epoch: u64) -> Result<String> {
    let lock = fs::read_to_string(workspace.root.join("Cargo.lock")).context("no Cargo.lock")?;
    let digests = digests(&lock);
    let mut components: Vec<Value> = Vec::new();
    for package in packages.iter().filter(|package| package.source.is_some()) {
        let key = (&*package.name, &*package.version);
        let digest = digests.get(&key).with_context(|| format!("Cargo.lock lacks {key:?}"))?;
        let purl = format!("pkg:cargo/{}@{}", key.0, key.1.replace('+', "%2B"));
        let mut component = component(key.0, key.1, package.license.as_deref().unwrap_or_default());
        component["bom-ref"] = json!(purl);
        component["purl"] = json!(purl);
        component["hashes"] = json!([{"alg": "SHA-256", "content": digest}]);
        components.push(component);
    }
    let rust = process::read(Command::new("rustc").arg("--version"))?;
    let rust = rust.split(' ').nth(1).unwrap_or_default().to_owned();
    components.push(component("rust-std", &rust, "MIT OR Apache-2.0"));
    let libc = process::read(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    let libc = libc.trim().strip_prefix("glibc ").unwrap_or_default().to_owned();
    components.push(component("glibc", &libc, "LGPL-2.1-or-later"));

    let own = packages.iter().find(|package| package.name == "sidecar").context("no sidecar")?;
    let mut program = component("sendgate", &own.version, "MIT");
    program["type"] = json!("application");
    let instant = process::read(Command::new("date").args([
        "--utc",
        &format!("--date=@{epoch}"),
        "+%Y-%m-%dT%H:%M:%SZ",
    ]))?;
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"timestamp": instant.trim(), "component": program},
        "components": components,
    });
    Ok(format!("{bill:#}\n"))
}

fn component(name: &str, version: &str, licence: &str) -> Value {
    json!({
        "type": "library",
        "name": name,
        "version": version,
        "licenses": [{"expression": licence}],
    })
}

/// The digests in a lock file, by name and version.
fn digests(lock: &str) -> BTreeMap<(&str, &str), &str> {
    let value = |entry: &'_ str, key: &str| {
        let start = entry.find(&format!("\n{key} = \""))? + key.len() + 5;
        entry[start..].find('"').map(|length| (start, start + length))
    };
    let entries = lock.split("[[package]]").filter_map(|entry| {
        let at = |key| value(entry, key).map(|(from, to)| &entry[from..to]);
        Some(((at("name")?, at("version")?), at("checksum")?))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::digests;

    #[test]
    fn the_lock_files_digests_are_found_by_name_and_version() {
        let lock = "version = 4\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n\n\
                    [[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"x\"\nchecksum = \"f00\"\n\
                    dependencies = [\n \"own\",\n]\n";
        assert_eq!(digests(lock).into_iter().collect::<Vec<_>>(), [(("a", "1.0.0"), "f00")]);
    }
}
