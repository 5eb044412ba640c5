//! Copies of examples with what they need installed, kept from one run of the tests to the next.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A file of the repository.
pub(crate) fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}

/// The text of a file of the repository.
pub(crate) fn source(file: &str) -> String {
    let path = path(file);
    fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

/// A folder under `target/examples` with the `files` of the example `name` and what `install` puts beside them.
///
/// Named by what is in the files, so that it is made anew when they change, and made aside, so that one that is half
/// made is never used.
pub(crate) async fn installed(
    name: &str,
    files: &[&str],
    install: impl AsyncFnOnce(&Path),
) -> PathBuf {
    let texts: Vec<String> =
        files.iter().map(|file| source(&format!("examples/{name}/{file}"))).collect();
    let digest: String =
        Sha256::digest(texts.concat()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let examples = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("examples");
    let folder = examples.join(format!("{name}-{digest}"));
    if folder.is_dir() {
        return folder;
    }
    let draft = examples.join(format!("{name}-{}", Uuid::new_v4()));
    for (file, text) in files.iter().zip(texts) {
        let path = draft.join(file);
        fs::create_dir_all(path.parent().expect("a folder around it")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    install(&draft).await;
    // Where another run was first, its folder is as good.
    if fs::rename(&draft, &folder).is_err() {
        drop(fs::remove_dir_all(&draft));
    }
    folder
}
