//! `Cleared` is the proof that every policy let a message pass, so nobody but `policy-host` may make one.
//!
//! Rust's privacy does the work as long as the type has private fields and no public way in; that is what is checked.

use super::SourceFile;
use super::sources::code;

const OWNER: &str = "crates/policy-host/src/";

/// Derives that would hand out a new value without any policy being asked.
const WAYS_IN: [&str; 3] = ["Clone", "Default", "Deserialize"];

/// Every way to a `Cleared` that goes round the policies.
pub(super) fn faults(files: &[SourceFile]) -> Vec<String> {
    let rust =
        files.iter().filter(|file| file.path.ends_with(".rs") && !file.path.contains("/xtask/"));
    let mut faults = Vec::new();
    let mut defined = false;
    for file in rust {
        let code = code(&file.text);
        let Some(at) = definition(&code) else {
            faults.extend(foreign_faults(file, &code));
            continue;
        };
        if !file.path.starts_with(OWNER) {
            faults.push(format!(
                "{} defines another `Cleared`: there is one, in policy-host",
                file.path
            ));
            continue;
        }
        defined = true;
        faults.extend(definition_faults(file, &code, at));
        faults.extend(foreign_faults(file, &code));
    }
    if !defined {
        faults.push(format!(
            "{OWNER} defines no `pub struct Cleared`: what shows that every policy agreed?"
        ));
    }
    faults
}

/// Where the type is defined.
fn definition(code: &str) -> Option<usize> {
    ["struct Cleared {", "struct Cleared(", "struct Cleared<", "struct Cleared;"]
        .iter()
        .find_map(|start| code.find(start))
}

fn definition_faults(file: &SourceFile, code: &str, at: usize) -> Vec<String> {
    let mut faults = Vec::new();
    let end = code[at..].find(['}', ';']).map_or(code.len(), |end| at + end);
    if code[at..end].contains("pub ") {
        faults.push(format!("{}: `Cleared` has a public field", file.path));
    }
    let attributes = code[..at].rsplit("\n\n").next().unwrap_or_default();
    let derived = WAYS_IN.iter().filter(|way| attributes.contains(**way));
    faults.extend(derived.map(|way| format!("{}: `Cleared` derives `{way}`", file.path)));
    for block in blocks(code, "impl Cleared {") {
        let made = functions(block).filter(|head| {
            head.starts_with("pub fn") && !head.contains("self") && returns_cleared(head)
        });
        faults.extend(made.map(|head| format!("{}: `{head}` makes a `Cleared`", file.path)));
    }
    faults
}

/// Conversions into the type, which could stand in any file.
fn foreign_faults(file: &SourceFile, code: &str) -> Vec<String> {
    let impls =
        code.lines().filter(|line| line.starts_with("impl") && line.contains(" for Cleared"));
    let made =
        impls.filter(|line| ["From<", "Default", "Clone"].iter().any(|way| line.contains(way)));
    made.map(|line| format!("{}: `{}` makes a `Cleared`", file.path, line.trim_end_matches(" {")))
        .collect()
}

/// The bodies of the top-level blocks that begin with `head`.
fn blocks<'a>(code: &'a str, head: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(head).map(move |(at, _)| {
        let body = &code[at + head.len()..];
        &body[..body.find("\n}").unwrap_or(body.len())]
    })
}

/// The heads of the functions of a block, from `pub` or `fn` to the body.
fn functions(block: &str) -> impl Iterator<Item = &str> {
    block.split("\n    }").filter_map(|function| {
        let start = function.find("pub fn").or_else(|| function.find("fn "))?;
        function[start..].split(" {").next()
    })
}

fn returns_cleared(head: &str) -> bool {
    head.split("->")
        .nth(1)
        .is_some_and(|result| result.contains("Self") || result.contains("Cleared"))
}

#[cfg(test)]
mod tests {
    use super::{SourceFile, faults};

    fn faults_of(text: &str) -> Vec<String> {
        faults(&[SourceFile { path: "crates/policy-host/src/chain.rs".into(), text: text.into() }])
    }

    const SOUND: &str = "/// Proof.\n#[derive(Debug)]\npub struct Cleared {\n    message: Message,\n}\n\n\
        impl Cleared {\n    pub fn message(&self) -> &Message {\n        &self.message\n    }\n\n    \
        pub(crate) fn new(message: Message) -> Self {\n        Self { message }\n    }\n}\n";

    #[test]
    fn a_type_with_private_fields_and_no_public_maker_is_sound() {
        assert_eq!(faults_of(SOUND), Vec::<String>::new());
    }

    #[test]
    fn each_way_round_the_policies_is_found() {
        let ways = [
            SOUND.replace("    message: M", "    pub message: M"),
            SOUND.replace("pub(crate) fn", "pub fn"),
            SOUND.replace("derive(Debug)", "derive(Debug, Clone)"),
            format!("{SOUND}\nimpl From<Message> for Cleared {{\n}}\n"),
        ];
        for way in ways {
            assert_eq!(faults_of(&way).len(), 1, "not found in:\n{way}");
        }
    }

    #[test]
    fn a_second_type_of_that_name_is_refused() {
        let file = |path: &str| SourceFile { path: path.into(), text: SOUND.into() };
        let files =
            [file("crates/policy-host/src/chain.rs"), file("crates/sidecar/src/gateway.rs")];
        assert_eq!(faults(&files).len(), 1);
    }

    #[test]
    fn a_missing_type_is_a_fault() {
        assert_eq!(faults_of("fn main() {}").len(), 1);
    }
}
