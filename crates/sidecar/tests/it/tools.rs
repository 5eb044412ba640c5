//! What authors of policies are given: each tool run as they would run it.

mod cases;
mod inspect;
mod misfit;
#[cfg(feature = "oci")]
mod new;

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use crate::harness::module;

/// How a command ended, and what it wrote.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// What it wrote, where it ended so.
    #[track_caller]
    pub(crate) fn ended(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        &self.out
    }

    #[track_caller]
    pub(crate) fn json(&self, code: i32) -> Value {
        let out = self.ended(code);
        serde_json::from_str(out).unwrap_or_else(|err| panic!("{err} in {out}"))
    }
}

/// `sendgate` with `words`, in `folder`.
pub(crate) async fn sendgate(folder: &Path, words: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sendgate"));
    let output = command.current_dir(folder).args(words).output().await.expect("sendgate runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// The bytes of the built module `name`.
fn bytes_of(name: &str) -> Vec<u8> {
    let path = module(name);
    std::fs::read(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

/// `module` with `cases` for its own, which it must not have yet.
pub(crate) fn with_cases(mut module: Vec<u8>, cases: &str) -> Vec<u8> {
    const NAME: &[u8] = b"sendgate:cases";
    let content = [&[u8::try_from(NAME.len()).expect("short")], NAME, cases.as_bytes()].concat();
    // WebAssembly 1.0, 5.5.3: a custom section is an id, the size in LEB128, the name with its length, and the content.
    module.push(0);
    let mut size = content.len();
    while size >= 0x80 {
        module.push(u8::try_from(size & 0x7f).expect("seven bits") | 0x80);
        size >>= 7;
    }
    module.push(u8::try_from(size).expect("seven bits"));
    module.extend(content);
    module
}
