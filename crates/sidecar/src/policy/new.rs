//! `sendgate policy new`: a folder that builds, tests and loads as it stands.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Failure;
use crate::cli::Lang;

/// Where each file of a new policy goes, and what it says. `{{name}}` is the policy's name, `{{file}}` that of its
/// module, and `{{sdk}}` where cargo finds the SDK.
type Template = &'static [(&'static str, &'static str)];

const RUST: Template = &[
    ("Cargo.toml", include_str!("new/rust/manifest.toml")),
    ("src/lib.rs", include_str!("new/rust/src/lib.rs")),
    ("cases.toml", include_str!("new/rust/cases.toml")),
    ("sidecar.toml", include_str!("new/rust/sidecar.toml")),
    ("README.md", include_str!("new/rust/README.md")),
    (".cargo/config.toml", include_str!("new/rust/config.toml")),
    (".gitignore", include_str!("new/rust/gitignore")),
];

/// The examples in other languages, with the new policy's name for theirs.
const JAVASCRIPT: Template = &[
    ("policy.js", include_str!("../../../../examples/javascript-policy/policy.js")),
    ("package.json", include_str!("../../../../examples/javascript-policy/package.json")),
    ("package-lock.json", include_str!("../../../../examples/javascript-policy/package-lock.json")),
    ("wit/world.wit", include_str!("../../../../examples/javascript-policy/wit/world.wit")),
    ("wit/deps/policy.wit", include_str!("../../../policy-wit/wit/policy.wit")),
    ("cases.toml", include_str!("../../../../examples/javascript-policy/cases.toml")),
    ("sidecar.toml", include_str!("../../../../examples/javascript-policy/sidecar.toml")),
    ("README.md", include_str!("../../../../examples/javascript-policy/README.md")),
    (".gitignore", IGNORED),
];
const PYTHON: Template = &[
    ("policy.py", include_str!("../../../../examples/python-policy/policy.py")),
    ("requirements.txt", include_str!("../../../../examples/python-policy/requirements.txt")),
    ("wit/world.wit", include_str!("../../../../examples/python-policy/wit/world.wit")),
    ("wit/deps/policy.wit", include_str!("../../../policy-wit/wit/policy.wit")),
    ("cases.toml", include_str!("../../../../examples/javascript-policy/cases.toml")),
    ("sidecar.toml", include_str!("../../../../examples/python-policy/sidecar.toml")),
    ("README.md", include_str!("../../../../examples/python-policy/README.md")),
    (".gitignore", IGNORED),
];
/// What the policy is called in both, and nothing else.
const EXAMPLE: &str = "introduction";
const IGNORED: &str =
    "node_modules/\n.venv/\n__pycache__/\ncompiled/\n*.wasm*\n*.key\ndecisions.jsonl*\n";

/// Where the SDK is in Sendgate's repository.
const SDK: &str = "crates/policy-sdk";
/// Most bytes of a name: with a word after it, it is a code.
const NAME_BYTES: usize = 56;
/// First words of codes that have a meaning already, and the module without its cases in other languages than Rust.
const TAKEN: &str = "auth body budget country dup fraud http idem internal media message mms optout phone policy quiet relay \
                     send sender spool text throttle trial ttl upstream url bare";
/// What cargo takes for no crate: the keywords of edition 2024, and crates that are always there, the SDK among them.
const RESERVED: &str = "abstract alloc as async await become box break const continue core crate do dyn else enum \
                        extern false final fn for gen if impl in let loop macro match mod move mut override priv \
                        proc-macro pub ref return self static std struct super test trait true try type typeof \
                        unsafe unsized use virtual where while yield message policy-cases policy-sdk policy-wit schemars serde";

/// Writes a new policy into the folder `path`, which must not be there.
pub(super) fn new(path: &Path, lang: Lang, sdk: Option<&str>) -> Result<(), Failure> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.filter(|name| is_name(name)).ok_or_else(|| Failure::Name(path.into()))?;
    let (template, words) = match lang {
        Lang::Rust => {
            let sdk = match sdk {
                Some(place) => dependency(place)?,
                None => found().ok_or(Failure::NoSdk)?,
            };
            let file = name.replace('-', "_");
            (RUST, vec![("{{name}}", name), ("{{file}}", file), ("{{sdk}}", sdk)])
        }
        _ if sdk.is_some() => return Err(Failure::NoUseForSdk),
        Lang::Javascript => (JAVASCRIPT, vec![(EXAMPLE, name)]),
        Lang::Python => (PYTHON, vec![(EXAMPLE, name)]),
    };
    if path.exists() {
        return Err(Failure::Exists(path.into()));
    }
    for (file, text) in template {
        let mut text = (*text).to_owned();
        for (word, ours) in &words {
            text = text.replace(word, ours);
        }
        let file = path.join(file);
        let folder = file.parent().unwrap_or(path);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&file, text))
            .map_err(|err| Failure::Unwritten(file.clone(), err))?;
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{} is a policy; its README.md says how to go on", path.display())?;
    Ok(())
}

/// What a crate, a module, a policy and the first word of its codes may all be called.
fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= NAME_BYTES
        && !RESERVED.split(' ').any(|reserved| name == reserved)
        && !TAKEN.split(' ').any(|taken| name == taken)
        && !message::has_number(name)
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(inner)
}

/// The SDK beside this program, or around the folder in which it runs: both hold where Sendgate's repository is.
fn found() -> Option<String> {
    let around = [std::env::current_exe().ok(), std::env::current_dir().ok()];
    let around: Vec<PathBuf> = around.into_iter().flatten().collect();
    let folders = around.iter().flat_map(|path| path.ancestors());
    let sdk = folders.map(|folder| folder.join(SDK)).find(|sdk| is_sdk(sdk))?;
    dependency(&sdk.to_string_lossy()).ok()
}

/// The SDK's folder, or that of a repository around it; or a repository where it is written as a URL.
fn dependency(place: &str) -> Result<String, Failure> {
    if place.contains("://") {
        return Ok(format!("{{ git = {} }}", quoted(place)));
    }
    let folder = fs::canonicalize(place).ok();
    let around = folder.iter().flat_map(|folder| [folder.clone(), folder.join(SDK)]);
    match around.into_iter().find(|folder| is_sdk(folder)) {
        Some(sdk) => Ok(format!("{{ path = {} }}", quoted(&sdk.to_string_lossy()))),
        None => Err(Failure::NotTheSdk(place.into())),
    }
}

/// Whether cargo finds the crate `policy-sdk` in `folder`.
fn is_sdk(folder: &Path) -> bool {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    manifest.get("package").and_then(|package| package.get("name")?.as_str()) == Some("policy-sdk")
}

/// JSON's quoting is TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{RUST, dependency, is_name};

    #[test]
    fn a_name_is_what_a_crate_may_be_called() {
        for good in ["a", "acme-words", "no2", "acme-2026", &"a".repeat(56)] {
            assert!(is_name(good), "{good} is a name");
        }
        for bad in [
            "",
            "2no",
            "-a",
            "Acme",
            "a_b",
            "a b",
            "a/b",
            "match",
            "gen",
            "test",
            "core",
            "phone",
            "bare",
            "acme-20261129",
            &"a".repeat(57),
        ] {
            assert!(!is_name(bad), "{bad} is no name");
        }
    }

    #[test]
    fn the_sdk_is_a_folder_or_a_repository() {
        assert_eq!(
            dependency("https://example.com/sendgate.git").unwrap(),
            r#"{ git = "https://example.com/sendgate.git" }"#
        );
        let here = env!("CARGO_MANIFEST_DIR");
        let root = std::fs::canonicalize(format!("{here}/../..")).unwrap();
        let sdk = root.join("crates/policy-sdk");
        for good in [&root, &sdk] {
            let written = dependency(&good.to_string_lossy()).unwrap();
            assert_eq!(written, format!("{{ path = {sdk:?} }}"), "{}", good.display());
        }
        // A folder that is not there, one without a crate, and that of another crate.
        for wrong in ["no/such/folder", &format!("{here}/src"), here] {
            let refused = dependency(wrong).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{wrong} is not the SDK")), "{refused}");
            assert!(refused.contains("crates/policy-sdk"), "{refused}");
        }
    }

    /// The README shows the policy that the SDK's documentation has, which is compiled there, and points to the one that
    /// `policy new` makes, which does the same.
    #[test]
    fn the_policy_of_the_readme_is_one_that_is_compiled_and_decides_as_the_one_that_is_made() {
        let (_, made) = RUST.iter().find(|(file, _)| *file == "src/lib.rs").expect("a source");
        let readme = include_str!("../../../../README.md");
        let block = |text: &str, start: &str| {
            let after = text.split(start).nth(1).and_then(|rest| rest.split("```").next());
            after.unwrap_or_else(|| panic!("no block in {text}")).to_owned()
        };
        let shown = block(readme, "```rust\n");
        let documented = block(include_str!("../../../policy-sdk/src/lib.rs"), "//! ```\n");
        let lines = documented.lines().filter_map(|line| line.strip_prefix("//!"));
        let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
        let compiled: String =
            lines.filter(|line| !line.starts_with("# ")).map(|line| format!("{line}\n")).collect();
        assert_eq!(shown.trim_end(), compiled.trim_end());
        let code = shown.lines().skip(1).filter(|line| !["", "    }", "}"].contains(line));
        assert_eq!(code.count(), 10, "{shown}");
        for same in [
            "message.text.contains(word.as_str())",
            "reject(\"words.listed\", \"the text holds a listed word\")",
        ] {
            assert!(shown.contains(same) && made.contains(same), "{same}");
        }
    }
}
