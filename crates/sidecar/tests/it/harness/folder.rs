//! A folder of its own for every sidecar.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use uuid::Uuid;

/// A fresh folder; gone when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(Uuid::new_v4().to_string());
        fs::create_dir_all(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// How much of its disk is free for everybody, in percent.
    pub(crate) fn free_percent(&self) -> u64 {
        let told = Command::new("df").arg("-Pk").arg(&self.0).output().expect("df");
        let told = String::from_utf8(told.stdout).expect("text");
        let fields: Vec<&str> = told.lines().nth(1).expect("a line").split_whitespace().collect();
        let blocks = |nth: usize| fields[nth].parse::<u64>().expect("a count of blocks");
        blocks(3) * 100 / blocks(1)
    }

    /// Writes a file in one step, so that a watcher never reads half of it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let (path, draft) = (self.0.join(name), self.0.join(format!("{name}.draft")));
        fs::write(&draft, content)
            .and_then(|()| fs::rename(&draft, &path))
            .unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder left over in the target folder does no harm.
        drop(fs::remove_dir_all(&self.0));
    }
}
