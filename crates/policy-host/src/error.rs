//! Why a policy could not be loaded.

use std::error::Error;
use std::fmt;

use thiserror::Error;

use crate::{Grant, PolicyFailure, PolicyName};

type BoxError = Box<dyn Error + Send + Sync>;

/// Why one policy could not be loaded. The chain in force is untouched by it.
#[derive(Debug, Error)]
#[error("policy `{policy}` cannot be loaded")]
pub struct LoadError {
    /// The policy.
    pub policy: PolicyName,
    /// Whether it is the candidate beside it that cannot be loaded.
    pub candidate: bool,
    /// What is wrong with it.
    #[source]
    pub fault: LoadFault,
}

/// What is wrong with a policy that cannot be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadFault {
    /// Two policies of one chain share a name.
    #[error("another policy of the chain has this name; give each its own")]
    DuplicateName,
    /// The module is above [`MODULE_BYTES`](crate::MODULE_BYTES).
    #[error("the module has {bytes} bytes; at most {most} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// The bytes are no WebAssembly.
    #[error(
        "the module is {seems}; give a core module or a component in WebAssembly's binary form"
    )]
    NotWasm {
        /// What they seem to be.
        seems: &'static str,
    },
    /// The bytes end before the module does.
    #[error(
        "the module ends in the middle of a section; it was cut off while it was written or copied"
    )]
    Truncated,
    /// A core module that was not built against the contract.
    #[error(
        "the core module carries no component type information{}; build it with `policy-sdk`, or with wit-bindgen \
         against `sendgate:policy`",
        and_imports(.0)
    )]
    NoComponentType(Vec<String>),
    /// Its components stand in one another too deeply to be followed.
    #[error("the module has components in one another, more than {most} deep")]
    Nested {
        /// The bound.
        most: usize,
    },
    /// The types that a module carries have no end, are too many, or nested too deeply.
    #[error("the types that the module carries {0}")]
    Types(String),
    /// A core module that cannot become a component.
    #[error(
        "the core module cannot be made a component; build it for wasm32-unknown-unknown, with no imports but those of \
         `sendgate:policy`"
    )]
    Encode(#[source] BoxError),
    /// The engine does not take it.
    #[error("the module does not compile")]
    Compile(#[source] BoxError),
    /// It was built against another version of the contract.
    #[error(
        "the module is built for `{found}`; this Sendgate speaks sendgate:policy@{supported}: build it with the SDK of \
         that version"
    )]
    ContractVersion {
        /// The interface as the module names it.
        found: String,
        /// The version spoken here.
        supported: &'static str,
    },
    /// It imports what it was not granted.
    #[error("the module imports {}", imports_to_grant(.0))]
    MissingGrants(Vec<MissingGrant>),
    /// It imports another WASI than 0.2.
    #[error("the module imports {}, and of WASI only 0.2 is known here: build it for that", quoted(.0))]
    Wasi(Vec<String>),
    /// It imports what nobody offers.
    #[error("the module imports {}, which Sendgate does not offer", quoted(.0))]
    UnknownImports(Vec<String>),
    /// It does not export the contract's `guest`.
    #[error(
        "the module is no policy: it does not export `{expected}`, but {}{}",
        quoted(found),
        and_imports(imports)
    )]
    NotAPolicy {
        /// The interface that a policy exports.
        expected: String,
        /// What it exports.
        found: Vec<String>,
        /// What it imports.
        imports: Vec<String>,
    },
    /// Its interfaces have the contract's names but not its types.
    #[error("the module does not fit the contract")]
    Link(#[source] BoxError),
    /// Its memory limit is above what the runtime's pool holds.
    #[error(
        "its memory limit of {limit} bytes is above the runtime's {most}; lower the one or raise the other"
    )]
    MemoryLimit {
        /// The policy's limit.
        limit: usize,
        /// The pool's size of one memory.
        most: usize,
    },
    /// It failed while it was tried, under the same limits as any visit.
    #[error("it failed in `{step}`")]
    Trial {
        /// The function it failed in: `describe` or `configure`.
        step: &'static str,
        /// How.
        #[source]
        failure: PolicyFailure,
    },
    /// Its manifest is out of bounds.
    #[error("its manifest is not usable: {0}")]
    Manifest(String),
    /// The cases that it brings along are out of bounds.
    #[error("its own cases are not usable: {0}")]
    Cases(String),
    /// Its settings schema is no JSON Schema.
    #[error("its settings schema is no JSON Schema (2020-12)")]
    Schema(#[source] BoxError),
    /// The settings do not fit; every problem found.
    #[error("its settings do not fit: {}", listed(.0))]
    Settings(Vec<Problem>),
    /// The task that compiled it ended before it was done: it panicked, or the program is ending.
    #[error("its compilation did not end")]
    CutOff(#[source] BoxError),
}

/// An import without its grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingGrant {
    /// The import, such as `sendgate:policy/state@0.1.0`.
    pub import: String,
    /// The grant it needs.
    pub grant: Grant,
}

/// A setting that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer (RFC 6901) into the settings; empty for all of them.
    pub pointer: String,
    /// What is wrong, without the value.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            return f.write_str(&self.detail);
        }
        write!(f, "{}: {}", self.pointer, self.detail)
    }
}

fn imports_to_grant(missing: &[MissingGrant]) -> String {
    let one =
        |m: &MissingGrant| format!("`{}`; add \"{}\" to `grants`", m.import, m.grant.as_str());
    missing.iter().map(one).collect::<Vec<_>>().join(", and ")
}

fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What else tells what a file is that is no policy: the first of its imports.
fn and_imports(names: &[String]) -> String {
    const NAMED: usize = 4;
    let more = names.len().saturating_sub(NAMED);
    match more {
        _ if names.is_empty() => String::new(),
        0 => format!(", and imports {}", quoted(names)),
        more => format!(", and imports {} and {more} more", quoted(&names[..NAMED])),
    }
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::{LoadFault, MissingGrant, Problem};
    use crate::Grant;

    #[test]
    fn a_missing_grant_is_said_with_the_word_to_add() {
        let import = "sendgate:policy/state@0.1.0".to_owned();
        let fault = LoadFault::MissingGrants(vec![MissingGrant { import, grant: Grant::State }]);
        assert_eq!(
            fault.to_string(),
            "the module imports `sendgate:policy/state@0.1.0`; add \"state\" to `grants`"
        );
    }

    #[test]
    fn every_problem_of_the_settings_is_said_with_its_pointer() {
        let problem = |pointer: &str, detail: &str| Problem {
            pointer: pointer.to_owned(),
            detail: detail.to_owned(),
        };
        let fault =
            LoadFault::Settings(vec![problem("/allow/0", "is not a region"), problem("", "x")]);
        assert_eq!(fault.to_string(), "its settings do not fit: /allow/0: is not a region; x");
    }
}
