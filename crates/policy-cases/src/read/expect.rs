//! `expect` as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::expect::ExpectedFault;
use crate::{Expect, Verdict};

/// As [`Expect`], whose verdict may be missing: which is told with its step, or that the step can have none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawExpect {
    verdict: Option<Verdict>,
    code: Option<String>,
    detail: Option<String>,
    retry_after_ms: Option<u64>,
    earlier: Option<String>,
    faults: Option<Vec<ExpectedFault>>,
    changes: Option<Vec<String>>,
    message: Map<String, Value>,
    notes: Option<BTreeMap<String, String>>,
    warnings: Option<BTreeMap<String, String>>,
}

impl RawExpect {
    /// What a policy should say that is asked.
    ///
    /// # Errors
    ///
    /// There is no verdict.
    pub(crate) fn read(self) -> Result<Expect, String> {
        Ok(Expect {
            verdict: self
                .verdict
                .ok_or("`expect` has no `verdict`; write accept, amend, reject or failure there")?,
            code: self.code,
            detail: self.detail,
            retry_after_ms: self.retry_after_ms,
            earlier: self.earlier,
            faults: self.faults,
            changes: self.changes,
            message: self.message,
            notes: self.notes,
            warnings: self.warnings,
        })
    }
}
