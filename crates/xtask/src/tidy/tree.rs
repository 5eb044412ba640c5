//! Where things lie: the top of the repository, each policy's page, each crate's lints.

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
    faults
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
}
