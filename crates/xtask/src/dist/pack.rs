//! A folder as a tarball that hangs on names, bytes and modes alone.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Packs the folder `name` in `parent`: entries in order, owned by nobody in particular, all of the instant `epoch`.
///
/// # Errors
///
/// Where GNU's tar or gzip cannot.
pub(super) fn pack(parent: &Path, name: &str, tarball: &Path, epoch: u64) -> Result<()> {
    let mut tar = Command::new("tar")
        .env("LC_ALL", "C")
        .args(["--create", "--sort=name", "--format=ustar", "--owner=0", "--group=0"])
        .args(["--numeric-owner", "--mode=u=rwX,go=rX", &format!("--mtime=@{epoch}")])
        .arg("--directory")
        .arg(parent)
        .arg(name)
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start GNU tar")?;
    let file =
        File::create(tarball).with_context(|| format!("could not write {}", tarball.display()))?;
    // Neither its own name nor an instant is in what it writes.
    let zipped = Command::new("gzip")
        .args(["-9", "--no-name"])
        .stdin(tar.stdout.take().context("it was piped")?)
        .stdout(file)
        .status()
        .context("could not start gzip")?;
    let packed = tar.wait().context("tar cannot be waited for")?;
    ensure!(packed.success() && zipped.success(), "{} could not be packed", tarball.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::pack;

    /// The bytes of a tarball of the same files, written in this order with permissions that a umask made.
    fn packed(folder: &Path, names: &[&str], mode: &str) -> Vec<u8> {
        fs::create_dir_all(folder.join("it/policies")).expect("a folder");
        for name in names {
            fs::write(folder.join("it").join(name), name).expect("a file");
        }
        let changed = Command::new("chmod").args(["-R", mode]).arg(folder.join("it")).status();
        assert!(changed.is_ok_and(|status| status.success()));
        pack(folder, "it", &folder.join("it.tar.gz"), 1_700_000_000).expect("a tarball");
        fs::read(folder.join("it.tar.gz")).expect("its bytes")
    }

    #[test]
    fn the_same_files_are_the_same_bytes_whenever_and_however_they_were_written() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
        let folder = folder.join(format!("pack-{}", std::process::id()));
        let one = packed(&folder.join("one"), &["b", "a", "policies/c"], "u=rwX,go=rX");
        let two = packed(&folder.join("two"), &["policies/c", "a", "b"], "u=rwX,go=");
        let other = packed(&folder.join("three"), &["policies/c", "a"], "u=rwX,go=");
        fs::remove_dir_all(&folder).expect("it was just made");
        assert!(one == two, "{} and {} bytes", one.len(), two.len());
        assert!(one != other);
    }
}
