//! What is wrong with a configuration, said with its place.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "oci")]
use super::Registry;
use super::{Fixed, PolicyEntry, Snapshot};
use crate::reasons::masked;

/// A place in a configuration file; prints as `sidecar.toml:12:8`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file, as it was named on the command line.
    pub file: Arc<Path>,
    /// Counted from 1.
    pub line: u32,
    /// Counted in characters, from 1.
    pub column: u32,
}

/// One thing to mend, or to know: where, which key, what is wrong and what to do.
///
/// Never holds a secret, a phone number or a URL that was written in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where it stands; for a missing key, its table.
    pub location: Location,
    /// The key's path, such as `apps[1].token`; entries count from 0, but policies go by their names, such as
    /// `policies.dedup.mode`, where these are known. Empty where no key is meant.
    pub key: String,
    /// What is wrong and what to do.
    pub detail: String,
}

/// Everything that is wrong with a configuration, in the order of the file; prints one line each.
#[derive(Debug)]
pub struct ConfigFaults {
    faults: Vec<Finding>,
    snapshot: Snapshot,
    policies: Vec<PolicyEntry>,
    #[cfg(feature = "oci")]
    registry: Option<Box<Registry>>,
    warnings: Vec<Finding>,
    fixed: Option<Box<Fixed>>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.location, self.detail),
            // A number may stand as a name there.
            key => write!(f, "{}: {}: {}", self.location, masked(key), self.detail),
        }
    }
}

impl ConfigFaults {
    pub(super) fn new(mut faults: Vec<Finding>, snapshot: Snapshot) -> Self {
        faults.sort();
        faults.dedup();
        Self {
            faults,
            snapshot,
            policies: Vec::new(),
            #[cfg(feature = "oci")]
            registry: None,
            warnings: Vec::new(),
            fixed: None,
        }
    }

    pub(super) fn with_policies(self, policies: Vec<PolicyEntry>) -> Self {
        Self { policies, ..self }
    }

    /// With how registries are asked, and of `warnings` those of modules that are there, which rest on nothing else.
    #[cfg(feature = "oci")]
    pub(super) fn with_registry(self, registry: Registry, mut warnings: Vec<Finding>) -> Self {
        let modules = [".module", ".candidate"];
        warnings.retain(|warning| {
            let key = &warning.key;
            key.starts_with("policies") && modules.iter().any(|module| key.ends_with(module))
        });
        warnings.sort();
        Self { registry: Some(Box::new(registry)), warnings, ..self }
    }

    pub(super) fn with_fixed(self, fixed: Option<Fixed>) -> Self {
        Self { fixed: fixed.map(Box::new), ..self }
    }

    /// The settings that hold until a restart, where they could be read: with defaults for what is at fault.
    pub fn fixed(&self) -> Option<&Fixed> {
        self.fixed.as_deref()
    }

    /// Each fault; at least one.
    pub fn faults(&self) -> &[Finding] {
        &self.faults
    }

    /// The policies whose modules are there: what is wrong with these and their settings can be told as well.
    pub fn policies(&self) -> &[PolicyEntry] {
        &self.policies
    }

    /// How registries are asked for modules; `None` where that is at fault itself, so that nobody can say whom to trust.
    #[cfg(feature = "oci")]
    pub fn registry(&self) -> Option<&Registry> {
        self.registry.as_deref()
    }

    /// What is allowed of [`ConfigFaults::policies`], but should be known.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// The files that were looked at, as they were: a change to any of them may mend this.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, fault) in self.faults.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl Error for ConfigFaults {}
