//! A folder of its own for every sidecar.

use std::fs;
use std::path::{Path, PathBuf};

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
