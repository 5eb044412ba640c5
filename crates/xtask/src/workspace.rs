//! What cargo knows of this workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;

/// The workspace that this xtask was started in.
pub(crate) struct Workspace {
    /// The folder of the top `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo builds; `CARGO_TARGET_DIR` moves it.
    pub(crate) target: PathBuf,
    /// The members, in cargo's order.
    pub(crate) members: Vec<Member>,
}

/// One crate of the workspace.
pub(crate) struct Member {
    /// The package's name.
    pub(crate) name: String,
    /// Its folder, relative to the root, with `/` between the parts.
    pub(crate) folder: String,
    /// What its manifest asks for: name, and whether only its tests need it.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line under a `[dependencies]` of a member.
pub(crate) struct Dependency {
    /// The package asked for.
    pub(crate) name: String,
    /// Whether it stands under `[dev-dependencies]`.
    pub(crate) dev: bool,
}

impl Workspace {
    /// Asks cargo for the workspace around this crate.
    ///
    /// # Errors
    ///
    /// Where cargo cannot read a manifest.
    pub(crate) fn read() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let text = process::read(
            cargo()
                .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
                .arg(manifest),
        )?;
        let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
        Self::from_metadata(&metadata).context("cargo metadata lacks what every version of it has")
    }

    /// Whether `folder` belongs to code that becomes a WebAssembly module.
    pub(crate) fn is_guest(folder: &str) -> bool {
        let parts: Vec<&str> = folder.split('/').collect();
        matches!(
            parts.as_slice(),
            ["policies", _] | ["crates", "policy-host", "guests", _] | ["examples", _, "policy"]
        )
    }

    /// Every crate that becomes a WebAssembly module.
    pub(crate) fn guests(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| Self::is_guest(&member.folder))
    }

    /// Where the built policies are found by the sidecar, by tests and by people.
    pub(crate) fn policies(&self) -> PathBuf {
        self.root.join("target/policies")
    }

    fn from_metadata(metadata: &Value) -> Option<Self> {
        let root = PathBuf::from(metadata["workspace_root"].as_str()?);
        let target = PathBuf::from(metadata["target_directory"].as_str()?);
        let packages = metadata["packages"].as_array()?.iter();
        let members = packages.map(|package| Member::from_metadata(package, &root));
        Some(Self { members: members.collect::<Option<_>>()?, root, target })
    }
}

impl Member {
    fn from_metadata(package: &Value, root: &Path) -> Option<Self> {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        let folder = manifest.parent()?.strip_prefix(root).ok()?;
        let dependencies = package["dependencies"].as_array()?.iter().map(|dependency| {
            let name = dependency["name"].as_str()?.to_owned();
            Some(Dependency { name, dev: dependency["kind"] == "dev" })
        });
        Some(Self {
            name: package["name"].as_str()?.to_owned(),
            folder: folder.to_string_lossy().replace('\\', "/"),
            dependencies: dependencies.collect::<Option<_>>()?,
        })
    }
}

/// The cargo that runs this xtask.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

#[cfg(test)]
mod tests {
    use super::Workspace;

    #[test]
    fn a_guest_is_told_by_its_folder() {
        for guest in ["policies/dedup", "crates/policy-host/guests/runaway", "examples/x/policy"] {
            assert!(Workspace::is_guest(guest), "{guest} should be built for wasm32");
        }
        for host in ["crates/policy-host", "crates/message", "examples/curl", "policies"] {
            assert!(!Workspace::is_guest(host), "{host} should not be built for wasm32");
        }
    }

    #[test]
    fn this_workspace_has_the_crates_it_is_made_of() {
        let workspace = Workspace::read().expect("cargo metadata of this repository");
        let folder = |name: &str| {
            let member = workspace.members.iter().find(|member| member.name == name);
            member.map(|member| member.folder.as_str())
        };
        assert_eq!(folder("xtask"), Some("crates/xtask"));
        assert_eq!(folder("country"), Some("policies/country"));
    }
}
