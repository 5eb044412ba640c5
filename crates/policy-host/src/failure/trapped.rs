//! How a guest trapped, in one line: wasmtime's own words come with a backtrace of up to twenty.

use std::fmt;

use wasmtime::{Trap, WasmBacktrace};

use crate::redact::{cut, without};

/// Most functions that are named, the innermost first.
const FUNCTIONS: usize = 4;
/// Most bytes of each of their names.
const NAME_BYTES: usize = 100;
/// Frames of a backtrace that the engine cut off.
const DEEP: usize = 20;

/// How a guest trapped.
#[derive(Debug)]
pub struct Trapped {
    why: String,
    /// The functions that it was in, as far as the module names them.
    within: Vec<String>,
    said: String,
}

impl Trapped {
    /// What ended in `error`, and what the guest said in that visit.
    pub(super) fn of(error: &wasmtime::Error, said: String) -> Self {
        let mut why = error.root_cause().to_string();
        if error.downcast_ref::<Trap>() == Some(&Trap::UnreachableCodeReached) {
            why.push_str(", as a panic ends");
        }
        let backtrace = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string);
        let mut within: Vec<String> =
            backtrace.iter().flat_map(|told| told.lines().filter_map(function)).collect();
        within.dedup();
        within.truncate(FUNCTIONS);
        Self { why, within, said }
    }

    /// The same, without what it said of this text.
    pub(super) fn without(mut self, text: &str) -> Self {
        self.said = without(text, &self.said);
        self
    }
}

impl fmt::Display for Trapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        if !self.within.is_empty() {
            write!(f, ", in {}", self.within.join(" < "))?;
        }
        if !self.said.is_empty() {
            write!(f, "; it said: {}", self.said)?;
        }
        Ok(())
    }
}

/// Whether a guest ran out of its own stack. That of Rust lies at the bottom of its memory, and an access below is one
/// out of bounds; only a guest that calls itself is so deep then.
pub(super) fn overflowed(error: &wasmtime::Error) -> bool {
    let is_outside = error.downcast_ref::<Trap>() == Some(&Trap::MemoryOutOfBounds);
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>().filter(|_| is_outside) else {
        return false;
    };
    let mut functions: Vec<u32> =
        backtrace.frames().iter().map(wasmtime::FrameInfo::func_index).collect();
    let deep = functions.len() >= DEEP;
    functions.sort_unstable();
    functions.dedup();
    deep && functions.len() <= DEEP / 2
}

/// The function of a line such as `0: 0x12f - words.wasm!core::panicking::panic`, where it has a name.
fn function(line: &str) -> Option<String> {
    let (_, frame) = line.split_once(" - ")?;
    let name = frame.split_once('!').map_or(frame, |(_module, name)| name);
    (!name.starts_with("<wasm function")).then(|| cut(name, NAME_BYTES).to_owned())
}

#[cfg(test)]
mod tests {
    use super::function;

    #[test]
    fn a_line_of_a_backtrace_is_its_function_where_that_has_a_name() {
        let named = "    0:    0x12f - words.wasm!core::panicking::panic";
        assert_eq!(function(named).as_deref(), Some("core::panicking::panic"));
        for other in ["    1:     0xa1 - <unknown>!<wasm function 484>", "error while executing"] {
            assert_eq!(function(other), None, "{other}");
        }
    }
}
