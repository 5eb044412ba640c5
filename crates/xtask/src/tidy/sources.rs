//! What source files may say: who may touch files and the environment, how long a file may be, and that nothing tells
//! of one machine.

use super::SourceFile;

/// A file of this many lines wants a split.
const LONGEST_FILE: usize = 500;

/// Host code that may use the file system and the environment. `telemetry` reads the standard `OTEL_*` variables, and
/// nothing else, in the one file named.
const MAY_TOUCH_THE_MACHINE: &[&str] = &[
    "crates/sidecar/",
    "crates/xtask/",
    "crates/plivo-sim/src/main.rs",
    "crates/fuzz/src/",
    "crates/benches/",
    "crates/telemetry/src/environment.rs",
    // The database, its key and its lock; the aim of the crash suite.
    "crates/store/src/database.rs",
    "crates/store/src/database/disk.rs",
    "crates/store/src/database/lock.rs",
    "crates/store/src/secret.rs",
    // A look at it from outside.
    "crates/store/src/inspect.rs",
    "crates/store/src/fail.rs",
    // What was pulled.
    "crates/registry/src/cache.rs",
    // Tests of the same.
    "crates/store/src/fixtures.rs",
    "crates/store/src/messages/tests/",
];

/// Modules of the standard library and of tokio that reach the machine.
const MACHINE_MODULES: [&str; 2] = ["fs", "env"];

/// Words of paths that exist on one person's machine only. Written in two parts, or this file would break its own rule.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/ro", "ot/"),
    concat!("C:\\Us", "ers\\"),
];

/// How a lock file or a tool's settings name a package registry, and the public ones that they may name.
const REGISTRY_WORDS: [&str; 6] = [
    "registry+http",
    "sparse+http",
    concat!("index", "-url"),
    concat!("registry", "=http"),
    concat!("\"resolved\"", ": \"http"),
    concat!("registry = ", "\"http"),
];
const PUBLIC_REGISTRIES: [&str; 3] =
    ["github.com/rust-lang/crates.io-index", "https://registry.npmjs.org/", "https://pypi.org/"];

/// Every file that is against a rule.
pub(super) fn faults(files: &[SourceFile]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        if file.path.ends_with(".rs") {
            faults.extend(length_fault(file));
            faults.extend(machine_faults(file));
        }
        faults.extend(place_faults(file));
    }
    faults
}

/// `source` without comments, and without the tests at its end.
pub(super) fn code(source: &str) -> String {
    let body = source.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = body.lines().map(|line| match line.trim_start() {
        comment if comment.starts_with("//") => "",
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn length_fault(file: &SourceFile) -> Option<String> {
    let lines = file.text.lines().count();
    (lines > LONGEST_FILE)
        .then(|| format!("{} has {lines} lines: at most {LONGEST_FILE}, better 250", file.path))
}

fn machine_faults(file: &SourceFile) -> Vec<String> {
    let host = file.path.starts_with("crates/") && file.path.contains("/src/");
    if !host || MAY_TOUCH_THE_MACHINE.iter().any(|path| file.path.starts_with(path)) {
        return Vec::new();
    }
    let code = code(&file.text);
    let used = MACHINE_MODULES.iter().filter(|module| names_module(&code, module));
    used.map(|module| {
        format!(
            "{} uses `{module}`: few files touch files and environment (MAY_TOUCH_THE_MACHINE)",
            file.path
        )
    })
    .collect()
}

/// Whether `code` names `std::MODULE` or `tokio::MODULE`, by path or in a braced `use`.
fn names_module(code: &str, module: &str) -> bool {
    ["std::", "tokio::"].iter().any(|krate| {
        code.match_indices(krate).any(|(at, _)| {
            let rest = &code[at + krate.len()..];
            match rest.strip_prefix('{') {
                Some(list) => braced_words(list).any(|word| word == module),
                None => first_word(rest) == module,
            }
        })
    })
}

/// The first word of each entry at the top level of a braced `use`, up to its closing brace.
fn braced_words(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let end = list.find(|c| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        depth < 0
    });
    let mut depth = 0;
    let entries = list[..end.unwrap_or(list.len())].split(move |c| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    });
    entries.map(|entry| first_word(entry.trim_start()))
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Lines that name a place which only some machines have.
fn place_faults(file: &SourceFile) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let at = format!("{}:{}", file.path, number + 1);
        if MACHINE_PATHS.iter().any(|path| line.contains(path)) {
            faults.push(format!("{at} names a path of one machine"));
        }
        let registry = REGISTRY_WORDS.iter().any(|word| line.contains(word));
        let itself = file.path == "crates/xtask/src/tidy/sources.rs";
        if registry && !itself && !PUBLIC_REGISTRIES.iter().any(|public| line.contains(public)) {
            faults.push(format!("{at} names a package registry that is not the public one"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::{SourceFile, faults, names_module};

    fn file(path: &str, text: &str) -> Vec<SourceFile> {
        vec![SourceFile { path: path.to_owned(), text: text.to_owned() }]
    }

    #[test]
    fn a_module_is_found_by_path_and_in_braces() {
        assert!(names_module("let x = std::env::var(\"X\");", "env"));
        assert!(names_module(
            "use std::{\n    collections::{BTreeMap, env},\n    fs::File,\n};",
            "fs"
        ));
        assert!(!names_module(
            "use std::{\n    collections::{BTreeMap, fs},\n};\nlet env = 1;",
            "fs"
        ));
        assert!(!names_module("use std::fmt; let fs = 2; env!(\"X\")", "env"));
    }

    #[test]
    fn only_the_program_may_read_files() {
        let text = "use std::fs;\n";
        assert_eq!(faults(&file("crates/store/src/lib.rs", text)).len(), 1);
        assert_eq!(faults(&file("crates/sidecar/src/watch.rs", text)), Vec::<String>::new());
        let in_tests = "fn x() {}\n\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        assert_eq!(faults(&file("crates/store/src/lib.rs", in_tests)), Vec::<String>::new());
        assert_eq!(faults(&file("crates/store/src/lib.rs", "// std::fs\n")), Vec::<String>::new());
    }

    #[test]
    fn a_path_of_one_machine_is_found_with_its_line() {
        let text = format!("one\n{}ann/sendgate\n", super::MACHINE_PATHS[0]);
        let found = faults(&file("README.md", &text));
        assert_eq!(found, ["README.md:2 names a path of one machine"]);
    }

    #[test]
    fn the_public_registry_may_be_named_and_no_other() {
        let public = format!("source = \"registry+https://{}\"\n", super::PUBLIC_REGISTRIES[0]);
        assert_eq!(faults(&file("Cargo.lock", &public)), Vec::<String>::new());
        let other = "source = \"registry+https://mirror.invalid/index\"\n";
        assert_eq!(faults(&file("Cargo.lock", other)).len(), 1);
    }

    #[test]
    fn a_file_beyond_the_longest_is_named() {
        let found = faults(&file("crates/message/src/text.rs", &"\n".repeat(501)));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("501 lines"), "{found:?}");
    }
}
