//! What reads bytes of the outside, by names that `fuzz` and `benches` can call. Each takes any bytes; it panics where a
//! reader does, and where what was read does not hold.

use std::fs;
use std::path::PathBuf;

use crate::config::{Config, Environment};

pub use crate::decisions::fuzzing::decision;
pub use crate::gateway::fuzzing::{Answered, Form, headers, native, plivo, seed};
pub use crate::reports::fuzzing::report;

/// A `sidecar.toml`.
pub fn config(text: &[u8]) {
    if let Err(faults) = loaded(text) {
        assert!(!faults.is_empty(), "refused for nothing");
    }
}

/// The configuration in `text`, or what is wrong with it.
pub(crate) fn loaded(text: &[u8]) -> Result<Config, String> {
    let path = file();
    fs::write(&path, text).expect("a file can be written");
    let nothing = Environment::from_iter::<[(&str, &str); 0]>([]);
    Config::load(&path, &nothing).map_err(|faults| faults.to_string())
}

/// One for each process, in a folder that has nothing else.
fn file() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("sendgate-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder.join("sidecar.toml")
}
