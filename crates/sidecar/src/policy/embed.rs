//! `sendgate policy embed`: cases into a module, as the SDK puts them into those of Rust.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use policy_host::{VisitLimits, with_cases};

use super::source::Named;
use super::{Failure, rehearsal};

/// Writes `module` with the cases in `cases`, in the place of any that it has, to `out` or in its own place. What no
/// Sendgate would load is not written: so it holds the cases, within `limits`.
pub(super) fn embed(
    module: &Path,
    cases: &Path,
    out: Option<&Path>,
    limits: VisitLimits,
) -> Result<(), Failure> {
    let bytes = Named::file(module)?.bytes;
    let text = fs::read_to_string(cases).map_err(|err| Failure::Unread(cases.into(), err))?;
    let count = policy_cases::parse(&text).map_err(|err| Failure::Cases(cases.into(), err))?.len();
    let bytes = with_cases(&bytes, text.as_bytes())
        .map_err(|fault| Failure::Module(module.into(), fault))?;
    let named = Named { name: module.into(), bytes: bytes.into() };
    let failed = named.with(limits, async |policy| Ok(rehearsal::own(&policy).await))?;
    if !failed.is_empty() {
        return Err(Failure::OwnCases { module: module.into(), cases: cases.into(), failed });
    }
    let out = out.unwrap_or(module);
    let unwritten = |err| Failure::Unwritten(out.into(), err);
    // Beside it and then renamed: a sidecar may be reading it.
    let mut beside = out.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, &named.bytes).and_then(|()| fs::rename(&beside, out)).map_err(unwritten)?;
    writeln!(io::stdout().lock(), "{} brings {count} cases along", out.display())?;
    Ok(())
}
