//! The engine, with the reader that `SENDGATE_FUZZ` names.
#![no_main]

use std::sync::LazyLock;

use fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("SENDGATE_FUZZ").expect("SENDGATE_FUZZ names a reader");
    let found = TARGETS.into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("no reader is called {name}"))
});

fuzz_target!(|bytes: &[u8]| (TARGET.read)(bytes));
