//! `cargo xtask policies`: every policy crate to `target/policies/NAME.wasm`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::process;
use crate::wasm_imports;
use crate::wasm_toolchain::{TARGET, WasmToolchain};
use crate::workspace::{Member, Workspace};

/// As the manifest of a new policy has it, so that what is built in one place serves in the other: whole, and without
/// unwinding tables. For size instead of speed it would be a fifth smaller, and a decision would cost a fifth more.
const PROFILE: [(&str, &str); 3] = [
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_LTO", "true"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
];

/// Whether publishing a module changed anything.
#[derive(Debug, PartialEq, Eq)]
enum Published {
    New,
    Unchanged,
}

/// Builds the crates at those of `names` that are paths, and the policies called by the others, or every policy, guest
/// and example policy; publishes those of this workspace that changed.
///
/// # Errors
///
/// Where a name is unknown, no toolchain is found, a crate does not build, or a module imports what no policy may; such
/// a module is not published, all others are.
pub(crate) fn run(workspace: &Workspace, names: &[&str]) -> Result<()> {
    let (paths, names): (Vec<&str>, Vec<&str>) =
        names.iter().copied().partition(|name| is_path(name));
    for path in &paths {
        build_at(Path::new(path))?;
    }
    if !paths.is_empty() && names.is_empty() {
        return Ok(());
    }
    let names = &names[..];
    let wanted = wanted(workspace, names)?;
    let built = workspace.target.join("wasm");
    let mut build = WasmToolchain::find()?.cargo_build();
    build.current_dir(&workspace.root).envs(PROFILE);
    build.args(["--release", "--target-dir"]).arg(&built);
    for guest in &wanted {
        build.args(["--package", &guest.name]);
    }
    process::run(&mut build)?;

    let target = workspace.policies();
    fs::create_dir_all(&target)
        .with_context(|| format!("could not create {}", target.display()))?;
    let mut faults = Vec::new();
    for guest in wanted {
        let file = format!("{}.wasm", guest.name.replace('-', "_"));
        let module = read(&built.join(TARGET).join("release").join(file))?;
        if let Err(err) = wasm_imports::check(&module) {
            faults.push(format!("policy `{}` {err:#}", guest.name));
            continue;
        }
        let published = publish(&target.join(format!("{}.wasm", guest.name)), &module)?;
        let remark = if published == Published::Unchanged { "  (unchanged)" } else { "" };
        println!("{:>8} bytes  {}{remark}", module.len(), guest.name);
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// Whether `word` says where a crate is, and not what a policy of this workspace is called.
fn is_path(word: &str) -> bool {
    word.contains(std::path::is_separator) || word == "."
}

/// Builds the crate in `folder`, which is none of this workspace, to where `cargo build --release` puts its module.
fn build_at(folder: &Path) -> Result<()> {
    let mut build = WasmToolchain::find()?.cargo_build();
    process::run(build.current_dir(folder).arg("--release"))
        .with_context(|| format!("the policy in {} does not build", folder.display()))
}

fn wanted<'a>(workspace: &'a Workspace, names: &[&str]) -> Result<Vec<&'a Member>> {
    for name in names {
        let known = workspace.guests().any(|guest| guest.name == *name);
        let all: Vec<&str> = workspace.guests().map(|guest| guest.name.as_str()).collect();
        ensure!(known, "there is no policy `{name}`; there are {}", all.join(", "));
    }
    let chosen = |guest: &&Member| names.is_empty() || names.contains(&guest.name.as_str());
    Ok(workspace.guests().filter(chosen).collect())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    ensure!(!bytes.is_empty(), "{} is empty", path.display());
    Ok(bytes)
}

/// Puts `module` at `path` in one step, so that whoever watches the folder never reads half a file; a file that already
/// has these bytes is left alone, so that nobody reloads for nothing.
fn publish(path: &Path, module: &[u8]) -> Result<Published> {
    if fs::read(path).is_ok_and(|present| present == module) {
        return Ok(Published::Unchanged);
    }
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&draft, module)
        .and_then(|()| fs::rename(&draft, path))
        .with_context(|| format!("could not write {}", path.display()))?;
    Ok(Published::New)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{PROFILE, Published, publish};

    #[test]
    fn the_manifest_of_a_new_policy_builds_it_as_those_here() {
        let manifest = include_str!("../../sidecar/src/policy/new/rust/manifest.toml");
        for (variable, value) in PROFILE {
            let key = variable.trim_start_matches("CARGO_PROFILE_RELEASE_").to_lowercase();
            let key = key.replace('_', "-");
            let (bare, quoted) =
                (format!("\n{key} = {value}\n"), format!("\n{key} = \"{value}\"\n"));
            assert!(manifest.contains(&bare) || manifest.contains(&quoted), "{key} in {manifest}");
        }
    }

    #[test]
    fn an_unchanged_module_is_left_alone_and_a_changed_one_is_replaced_whole() {
        let folder = std::env::temp_dir().join(format!("xtask-publish-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let path = folder.join("country.wasm");

        assert_eq!(publish(&path, b"first").expect("written"), Published::New);
        assert_eq!(publish(&path, b"first").expect("compared"), Published::Unchanged);
        assert_eq!(publish(&path, b"second").expect("replaced"), Published::New);

        assert_eq!(fs::read(&path).expect("the module"), b"second");
        let files = fs::read_dir(&folder).expect("the folder").count();
        assert_eq!(files, 1, "a draft was left in {}", folder.display());
        fs::remove_dir_all(&folder).expect("the folder goes");
    }
}
