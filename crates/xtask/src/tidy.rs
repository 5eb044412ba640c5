//! `cargo xtask tidy`: the rules of this repository that the compiler cannot check.

mod cleared;
mod dependencies;
mod sources;
mod threats;
mod tree;

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::workspace::Workspace;
use crate::{contract, process};

/// A text file of the repository.
struct SourceFile {
    /// Relative to the root, with `/` between the parts.
    path: String,
    text: String,
}

/// Checks every rule, and lists all that is against one.
///
/// # Errors
///
/// Where anything is, or where git or cargo cannot be asked.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let files = repository_files(workspace)?;
    let mut faults = dependencies::faults(workspace)?;
    faults.extend(tree::faults(workspace, &files));
    faults.extend(sources::faults(&files));
    faults.extend(cleared::faults(&files));
    faults.extend(threats::faults(&files));
    faults.extend(contract_fault(&files)?);
    faults.sort();
    for fault in &faults {
        println!("tidy: {fault}");
    }
    ensure!(faults.is_empty(), "{} rules are broken", faults.len());
    println!("{} files are in order", files.len());
    Ok(())
}

/// The contract's page, where it is not what the contract says.
fn contract_fault(files: &[SourceFile]) -> Result<Option<String>> {
    let text = |path| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    let page = contract::page(text(contract::WIT).unwrap_or_default())?;
    let current = text(contract::PAGE) == Some(&page);
    Ok((!current).then(|| format!("{} is not current; run cargo xtask contract", contract::PAGE)))
}

/// What git tracks, and what it would track: files not yet added count too, so that a fault shows before the commit.
fn repository_files(workspace: &Workspace) -> Result<Vec<SourceFile>> {
    let words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
    let listed = process::read(Command::new("git").current_dir(&workspace.root).args(words))?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let whole = workspace.root.join(path);
        if !whole.is_file() {
            continue; // removed, but not yet from the index
        }
        let bytes = fs::read(&whole).with_context(|| format!("could not read {path}"))?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        files.push(SourceFile { path: path.to_owned(), text });
    }
    Ok(files)
}
