//! The texts of the licences of what is packed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::packages::Package;

/// How the names of files begin that hold such texts.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
/// What is in the program and is no crate.
const BESIDES: &str = "\
Besides crates, the program holds Rust's standard library (MIT OR Apache-2.0), SQLite (public domain) and GNU's C
library (LGPL-2.1-or-later), as it was on the machine that built it. All sources of this program are public, so that it
can be linked anew with another C library: cargo xtask dist does it. The text of the LGPL stands at the end.
";
/// Of GNU's C library, which comes with the machine and not with a crate.
const LGPL: &str = include_str!("LGPL-2.1.txt");

/// Every text once, below the crates that it is of; and the crates that bring none.
///
/// # Errors
///
/// Where a crate says nothing of its licence, or a folder cannot be read.
pub(super) fn collected(packages: &[Package]) -> Result<(String, Vec<String>)> {
    let (mut texts, mut without) = (BTreeMap::<String, Vec<String>>::new(), Vec::new());
    for package in packages.iter().filter(|package| package.source.is_some()) {
        let title = format!("{} {}", package.name, package.version);
        let licence = package.license.as_ref();
        let licence = licence.with_context(|| format!("{title} says nothing of its licence"))?;
        let found = texts_in(&package.folder)
            .with_context(|| format!("could not read {}", package.folder.display()))?;
        if found.is_empty() {
            without.push(format!("{title} ({licence})"));
        }
        for text in found {
            texts.entry(text).or_default().push(format!("{title} ({licence})"));
        }
    }
    let mut page = BESIDES.to_owned();
    if !without.is_empty() {
        page += &format!("\nWithout a text of their own: {}.\n", without.join(", "));
    }
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_by(|(_, a), (_, b)| a.cmp(b));
    for (text, crates) in texts {
        page += &format!("\n{}\n{}\n\n{}\n", "=".repeat(80), crates.join("\n"), text.trim());
    }
    page +=
        &format!("\n{}\nGNU C Library (LGPL-2.1-or-later)\n\n{}\n", "=".repeat(80), LGPL.trim());
    Ok((page, without))
}

/// The texts at the top of a crate, and in a folder of such a name.
fn texts_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_ascii_uppercase();
        if !NAMES.iter().any(|known| name.starts_with(known)) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            for inner in fs::read_dir(entry.path())? {
                texts.push(String::from_utf8_lossy(&fs::read(inner?.path())?).into_owned());
            }
        } else {
            texts.push(String::from_utf8_lossy(&fs::read(entry.path())?).into_owned());
        }
    }
    Ok(texts)
}
