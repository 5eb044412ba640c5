//! Where things lie: the top of the repository, each policy's page, each crate's lints, how policies are linked.

use super::SourceFile;
use crate::workspace::Workspace;

/// All that may stand at the top, besides dot-files and licences.
const TOP: [&str; 7] = [
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "crates",
    "examples",
    "policies",
    "rust-toolchain.toml",
];
const TOP_SETTINGS: &str = "sidecar.toml";

/// How policies are linked here, and how those are that begin outside.
const LINKED: [&str; 2] = [".cargo/config.toml", "crates/sidecar/src/policy/new/rust/config.toml"];

/// Every entry out of place, and every page or line that is missing.
pub(super) fn faults(workspace: &Workspace, files: &[SourceFile]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        let top = file.path.split('/').next().unwrap_or_default();
        let allowed = TOP.contains(&top)
            || top == TOP_SETTINGS
            || top.starts_with('.')
            || top.starts_with("LICENSE");
        if !allowed {
            faults.push(format!(
                "{} does not belong at the top; prose lives with the crates",
                file.path
            ));
        }
    }
    for member in &workspace.members {
        let text = |name: &str| {
            let path = format!("{}/{name}", member.folder);
            files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
        };
        let manifest = text("Cargo.toml").unwrap_or_default();
        if !inherits_lints(manifest) {
            faults.push(format!("{}/Cargo.toml lacks `[lints] workspace = true`", member.folder));
        }
        if member.folder.starts_with("policies/") && text("README.md").is_none() {
            faults.push(format!(
                "{}/README.md is missing: settings, and codes it rejects with",
                member.folder
            ));
        }
    }
    faults.extend(linked_otherwise(files));
    faults
}

fn linked_otherwise(files: &[SourceFile]) -> Option<String> {
    let flags = LINKED.map(|path| {
        let file = files.iter().find(|file| file.path == path)?;
        file.text.lines().find(|line| line.starts_with("rustflags"))
    });
    (flags[0] != flags[1])
        .then(|| format!("{} and {} link policies with other `rustflags`", LINKED[0], LINKED[1]))
}

fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.find(|line| !line.is_empty() && !line.starts_with('#')) == Some("workspace = true")
}

#[cfg(test)]
mod tests {
    use super::{SourceFile, faults, inherits_lints};
    use crate::workspace::{Member, Workspace};

    fn workspace(folder: &str) -> Workspace {
        let member = Member { name: "x".into(), folder: folder.into(), dependencies: Vec::new() };
        Workspace { root: "/".into(), target: "/".into(), members: vec![member] }
    }

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.into(), text: text.into() }
    }

    #[test]
    fn a_stray_page_at_the_top_is_named() {
        let manifest = file("crates/x/Cargo.toml", "[lints]\nworkspace = true\n");
        let files = [manifest, file("NOTES.md", ""), file(".ci/run", ""), file("LICENSE", "")];
        let found = faults(&workspace("crates/x"), &files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("NOTES.md"), "{found:?}");
    }

    #[test]
    fn a_policy_needs_a_page_and_every_crate_the_common_lints() {
        let files = [file("policies/x/Cargo.toml", "[package]\nname = \"x\"\n")];
        assert_eq!(faults(&workspace("policies/x"), &files).len(), 2);
    }

    #[test]
    fn lints_are_inherited_only_by_the_line_that_says_so() {
        assert!(inherits_lints("[package]\n\n[lints]\nworkspace = true\n"));
        assert!(!inherits_lints("[dependencies]\nx.workspace = true\n"));
        assert!(!inherits_lints("[lints]\n[dependencies]\nworkspace = true\n"));
    }

    #[test]
    fn policies_that_begin_outside_are_linked_as_those_here() {
        let [here, outside] = super::LINKED;
        let flags =
            "[target.wasm32-unknown-unknown]\nrustflags = [\"-Clink-arg=-zstack-size=1\"]\n";
        let more = format!("# What is at hand\n{flags}");
        let found = |outer: &str| {
            faults(&workspace("crates/x"), &[file(here, flags), file(outside, outer)]).split_off(1)
        };
        assert_eq!(found(&more), [""; 0]);
        for other in ["", &flags.replace('1', "2")] {
            assert!(found(other)[0].contains("other `rustflags`"), "{other}");
        }
    }
}
