//! Copies of examples with what they need installed, kept from one run of the tests to the next.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::program::Program;

/// A file of the repository.
pub(crate) fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}

/// The text of a file of the repository.
pub(crate) fn source(file: &str) -> String {
    let path = path(file);
    fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

/// A folder under `target/examples` with the `files` of the folder `from` and what `install` puts beside them.
///
/// Named by what is in the files, so that it is made anew when they change, and made aside, so that one that is half
/// made is never used.
pub(crate) async fn installed(
    from: &str,
    files: &[&str],
    install: impl AsyncFnOnce(&Path),
) -> PathBuf {
    let texts: Vec<String> = files.iter().map(|file| source(&format!("{from}/{file}"))).collect();
    let name = from.rsplit('/').next().expect("a name");
    let digest: String =
        Sha256::digest(texts.concat()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let examples = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("examples");
    let folder = examples.join(format!("{name}-{digest}"));
    // One test installs what several need; the others wait for it.
    fs::create_dir_all(&examples).expect("a folder");
    let lock = File::create(examples.join(format!("{name}.lock"))).expect("a file");
    lock.lock().expect("a lock, which its end takes away");
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
    fs::rename(&draft, &folder).expect("nobody else makes it");
    folder
}

/// Python in `folder/.venv`, with what `requirements.txt` names.
pub(crate) async fn python(folder: &Path) {
    let python = Program::new("python3", "Python 3.10 or newer with its venv module");
    python.within(folder).args(&["-m", "venv", ".venv"]).run().await;
    let python = Program::at(&folder.join(".venv/bin/python"), "Python's venv module");
    let pip = python.within(folder).args(&["-m", "pip", "install", "-q"]);
    pip.args(&["--disable-pip-version-check", "-r", "requirements.txt"]).run().await;
}

/// What `package.json` names, in `folder/node_modules`.
pub(crate) async fn node(folder: &Path) {
    let npm = Program::new("npm", "Node.js 20 or newer with npm").within(folder);
    npm.args(&["install", "--no-package-lock", "--no-audit", "--no-fund"]).run().await;
}
