//! `cargo xtask dist`: what is given to people, as a tarball that is the same bytes wherever it is packed of the same
//! files.

mod licences;
mod pack;
mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::packages::{self, Package};
use crate::wasm_toolchain::TARGET as WASM;
use crate::workspace::{Workspace, cargo};
use crate::{policies, process};

/// Beside the programs: what makes an image of the folder.
const DOCKERFILE: &str = include_str!("dist/Dockerfile");
const PROGRAM: &str = "sendgate";
const PROFILE: &str = "dist";
/// What `sidecar.toml` says of the modules here, and what of those that are packed.
const BUILT_HERE: &str = " `cargo xtask policies` builds these.";
const PACKED: &str = "\n# Their modules are in `policies` beside this file; in the image, in /usr/share/sendgate/policies.";
const LICENCES: &str = "THIRD-PARTY.txt";
const BILL: &str = "sbom.cdx.json";

/// Builds, collects and packs everything, and prints how large it is.
///
/// # Errors
///
/// Where the machine is none that it is made for, something does not build, or a crate does not say how it is licensed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let target = packages::host()?;
    ensure!(target.ends_with("-linux-gnu"), "it is made on Linux with GNU's C library only");
    let standard: Vec<&str> = workspace.guests().filter_map(standard_policy).collect();
    policies::run(workspace, &standard)?;
    let dist = workspace.target.join("dist");
    let epoch = epoch(workspace)?;
    let program = build(workspace, &target, &dist, epoch)?;

    let linked = linked(workspace, &target, &standard)?;
    let version = &linked.iter().find(|package| package.name == "sidecar").context("no sidecar")?;
    let name = format!("{PROGRAM}-{}-{target}", version.version);
    let folder = dist.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder).context("what was packed before cannot be removed")?;
    }
    fs::create_dir_all(folder.join("policies")).context("no folder can be made")?;
    let put = |name: &str, bytes: Vec<u8>| {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("could not write {}", path.display()))
    };
    for policy in &standard {
        let file = format!("{policy}.wasm");
        put(&format!("policies/{file}"), bytes_of(&workspace.policies().join(&file))?)?;
    }
    let settings = String::from_utf8(bytes_of(&workspace.root.join("sidecar.toml"))?)?;
    ensure!(settings.contains(BUILT_HERE), "sidecar.toml no longer says{BUILT_HERE}");
    let settings = settings.replace("\"target/", "\"").replace(BUILT_HERE, PACKED);
    put("sidecar.toml", settings.into_bytes())?;
    put("LICENSE", bytes_of(&workspace.root.join("LICENSE"))?)?;
    put("Dockerfile", DOCKERFILE.into())?;
    let (texts, without) = licences::collected(&linked)?;
    put(LICENCES, texts.into_bytes())?;
    put(BILL, sbom::bill(workspace, &linked, epoch)?.into_bytes())?;
    put(PROGRAM, bytes_of(&program)?)?;
    process::run(Command::new("chmod").arg("0755").arg(folder.join(PROGRAM)))?;

    let tarball = dist.join(format!("{name}.tar.gz"));
    pack::pack(&dist, &name, &tarball, epoch)?;
    println!("{} crates; without a text of their licence: {}", linked.len(), without.join(", "));
    for file in [&folder.join(PROGRAM), &tarball] {
        let bytes = fs::metadata(file).context("it was just written")?.len();
        println!("{:>8.1} MB  {}", bytes as f64 / 1e6, file.display());
    }
    process::run(Command::new("sha256sum").arg(&tarball))
}

/// The name of a policy of ours.
fn standard_policy(guest: &crate::workspace::Member) -> Option<&str> {
    guest.folder.starts_with("policies/").then_some(&*guest.name)
}

/// The sidecar, which needs nothing of its machine but `/dev/random` and `/dev/urandom`: GNU's C library is in it, whose
/// own look-ups of names read `/etc/hosts` and ask the servers in `/etc/resolv.conf`.
fn build(workspace: &Workspace, target: &str, folder: &Path, epoch: u64) -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let home = home.context("there is no home of cargo's")?;
    let mut places = vec![(&*workspace.root, "/sendgate"), (&*home, "/cargo")];
    if !workspace.target.starts_with(&workspace.root) {
        places.push((&*workspace.target, "/target"));
    }
    let mapped: String = places
        .iter()
        .map(|(from, to)| format!(" --remap-path-prefix={}={to}", from.display()))
        .collect();
    let mut build = cargo();
    build
        .current_dir(&workspace.root)
        .args(["build", "--profile", PROFILE, "--locked", "--package", "sidecar", "--bin", PROGRAM])
        .args(["--target", target, "--target-dir"])
        .arg(folder)
        // Cargo forgets the profile's `strip` for a package of which the profile says more.
        .env("RUSTFLAGS", format!("-C target-feature=+crt-static -C strip=symbols{mapped}"))
        // The allocator has the day and the time that it is compiled at in it.
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .env("CARGO_INCREMENTAL", "0");
    process::run(&mut build)?;
    Ok(folder.join(target).join(PROFILE).join(PROGRAM))
}

/// Every crate of which something is in the tarball.
fn linked(workspace: &Workspace, target: &str, standard: &[&str]) -> Result<Vec<Package>> {
    let mut parts = packages::linked(workspace, &["sidecar"], target)?;
    parts.extend(packages::linked(workspace, standard, WASM)?);
    let mut packages = packages::all(workspace, target)?;
    packages.extend(packages::all(workspace, WASM)?);
    packages.retain(|package| parts.remove(&(package.name.clone(), package.version.clone())));
    ensure!(parts.is_empty(), "cargo does not tell of {parts:?}");
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(packages)
}

/// The instant that everything in the tarball is of: `SOURCE_DATE_EPOCH`, or that of the last commit.
fn epoch(workspace: &Workspace) -> Result<u64> {
    let told = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(told) => told,
        Err(_) => {
            let words = ["log", "-1", "--format=%ct"];
            process::read(Command::new("git").current_dir(&workspace.root).args(words))?
        }
    };
    told.trim().parse().with_context(|| format!("`{}` are no seconds", told.trim()))
}

fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("could not read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{BILL, DOCKERFILE, LICENCES, PROGRAM};

    #[test]
    fn the_image_is_made_of_what_is_packed() {
        let copied = DOCKERFILE.lines().filter_map(|line| line.strip_prefix("COPY "));
        let own = copied.filter(|words| !words.contains("--from=")).flat_map(|words| {
            let words: Vec<&str> =
                words.split(' ').filter(|word| !word.starts_with("--")).collect();
            words[..words.len() - 1].to_vec()
        });
        for name in own {
            let packed = [PROGRAM, "policies", "LICENSE", LICENCES, BILL].contains(&name);
            assert!(packed, "the image wants {name}");
        }
        assert!(DOCKERFILE.contains("FROM scratch\n") && DOCKERFILE.contains("USER 65532:65532\n"));
    }
}
