//! What a set of files holds, by digest, so that a change is seen by content and not by date.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// The SHA-256 of each of a set of files, or why it cannot be read: a missing file is another than one that may not be
/// read. Symlinks are followed.
///
/// Taken *before* the files are used: a change that falls between is then seen by the next look, at the price of one
/// reload too many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    digests: BTreeMap<PathBuf, Result<[u8; 32], ErrorKind>>,
}

impl Snapshot {
    /// Reads every file.
    pub fn read<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Self {
        let entry = |file: P| (file.as_ref().to_owned(), seen(file.as_ref()));
        Self { digests: files.into_iter().map(entry).collect() }
    }

    /// The files, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.digests.keys()
    }

    /// Looks at one more file. A file that was looked at before keeps what was seen then.
    pub(super) fn look_at(&mut self, file: &Path) {
        self.digests.entry(file.to_owned()).or_insert_with(|| seen(file));
    }

    /// The files that differ, or stand in one of the two only; sorted.
    pub fn changed<'s>(&'s self, earlier: &'s Self) -> Vec<&'s Path> {
        let all = self.digests.keys().chain(earlier.digests.keys());
        let mut changed: Vec<&Path> = all
            .filter(|file| self.digests.get(*file) != earlier.digests.get(*file))
            .map(PathBuf::as_path)
            .collect();
        changed.sort();
        changed.dedup();
        changed
    }

    /// One SHA-256 over all of it, as 64 hexadecimal digits.
    pub fn digest(&self) -> String {
        let mut whole = Sha256::new();
        for (path, digest) in &self.digests {
            let path = path.as_os_str().as_encoded_bytes();
            whole.update((path.len() as u64).to_be_bytes());
            whole.update(path);
            match digest {
                Ok(digest) => whole.update(digest),
                Err(kind) => whole.update(format!("{kind:?}")),
            }
        }
        whole.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn seen(path: &Path) -> Result<[u8; 32], ErrorKind> {
    digest(path).map_err(|err| err.kind())
}

/// The digest of a regular file; a pipe or a device would never end. One that is larger than anything that is read is
/// told by its length and date, since it is looked at again and again.
fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let found = fs::metadata(path)?;
    // What is told of a folder is not what is told of a pipe.
    if found.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if found.len() > policy_host::MODULE_BYTES as u64 {
        let told = format!("{} bytes of {:?}", found.len(), found.modified()?);
        return Ok(Sha256::digest(told).into());
    }
    let (mut file, mut digest, mut chunk) = (File::open(path)?, Sha256::new(), vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(digest.finalize().into()),
            read => digest.update(&chunk[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::Snapshot;
    use crate::config::testing::Folder;

    #[test]
    fn only_content_counts() {
        let folder = Folder::new();
        let (a, b) = (folder.file("a", "one"), folder.path().join("b"));
        let before = Snapshot::read([&a, &b]);

        folder.file("a", "one");
        let same = Snapshot::read([&a, &b]);
        assert_eq!((same.digest(), same.changed(&before)), (before.digest(), Vec::new()));

        folder.file("a", "two");
        folder.file("b", "");
        let after = Snapshot::read([&a, &b]);
        assert_eq!(after.changed(&before), [a.as_path(), b.as_path()]);
        assert_ne!(after.digest(), before.digest());
    }

    #[test]
    fn a_file_that_is_gone_or_new_or_no_file_at_all_is_seen() {
        let folder = Folder::new();
        let (a, b) = (folder.file("a", "one"), folder.file("b", "one"));
        let before = Snapshot::read([&a]);
        assert_eq!(Snapshot::read([&a, &b]).changed(&before), [b.as_path()]);

        fs::remove_file(&a).unwrap();
        let gone = Snapshot::read([&a]);
        assert_eq!(gone.changed(&before), [a.as_path()]);

        fs::create_dir(&a).unwrap();
        let unreadable = Snapshot::read([&a]);
        assert_eq!(
            unreadable.changed(&gone),
            [a.as_path()],
            "what is told of it is something else"
        );
        assert_ne!(unreadable.digest(), gone.digest());
        assert_eq!(Snapshot::read([&a]), unreadable, "a folder has no content");
    }

    #[test]
    fn a_swapped_link_above_the_file_is_seen() {
        let folder = Folder::new();
        folder.file("v1/m.wasm", "one");
        folder.file("v2/m.wasm", "two");
        let (link, file) = (folder.path().join("data"), folder.path().join("data/m.wasm"));
        symlink("v1", &link).unwrap();
        let before = Snapshot::read([&file]);

        symlink("v2", folder.path().join("next")).unwrap();
        fs::rename(folder.path().join("next"), &link).unwrap();
        assert_eq!(Snapshot::read([&file]).changed(&before), [file.as_path()]);
    }
}
