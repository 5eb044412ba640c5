//! `sendgate policy embed`: cases into a module, as the SDK puts them into those of Rust.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use policy_host::{VisitLimits, with_cases};

use super::source::Named;
use super::{Failure, rehearsal};
use crate::terminal::counted;

/// Writes `module` with the cases in `cases`, in the place of any that it has, to `out` or in its own place. What no
/// Sendgate would load is not written: so it holds the cases, within `limits`.
pub(super) fn embed(
    module: &Path,
    cases: &Path,
    out: Option<&Path>,
    limits: VisitLimits,
) -> Result<(), Failure> {
    let bytes = Named::file(module)?.bytes;
    let text = fs::read_to_string(cases).map_err(|err| Failure::Unread(cases.into(), err))?;
    let count = policy_cases::parse(&text).map_err(|err| Failure::Cases(cases.into(), err))?.len();
    let bytes = with_cases(&bytes, text.as_bytes())
        .map_err(|fault| Failure::Module(module.into(), fault))?;
    let named = Named { name: module.into(), bytes: bytes.into() };
    let failed = named.with(limits, async |policy| Ok(rehearsal::own(&policy).await))?;
    if !failed.is_empty() {
        return Err(Failure::OwnCases { module: module.into(), cases: cases.into(), failed });
    }
    let out = out.unwrap_or(module);
    if fs::canonicalize(out).is_ok_and(|out| fs::canonicalize(cases).is_ok_and(|own| own == out)) {
        let why = io::Error::other("it holds the cases; name another file");
        return Err(Failure::Unwritten(out.into(), why));
    }
    replace(out, &named.bytes).map_err(|err| Failure::Unwritten(out.into(), err))?;
    writeln!(
        io::stdout().lock(),
        "{} brings {} along",
        out.display(),
        counted(count as u64, "case", "cases")
    )?;
    Ok(())
}

/// Writes `bytes` beside `out` and renames that, since a sidecar may be reading it. A link stays one, and who may read
/// the file stays as it is.
fn replace(out: &Path, bytes: &[u8]) -> io::Result<()> {
    let out = match fs::canonicalize(out) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => out.to_owned(),
        out => out?,
    };
    let before = match fs::metadata(&out) {
        Ok(there) if !there.is_file() => return Err(io::Error::other("it is no regular file")),
        there => there.ok(),
    };
    let name = out.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    let draft = out.with_file_name(format!(".{name}.{}", std::process::id()));
    // Never over a file that stands there, nor through a link.
    let mut file = File::create_new(&draft)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| before.map_or(Ok(()), |before| file.set_permissions(before.permissions())))
        .and_then(|()| fs::rename(&draft, &out));
    if written.is_err() {
        let _already_told = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_link_leads_to_what_is_written_and_nothing_beside_it_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("real"), "old").unwrap();
        fs::set_permissions(at("real"), Permissions::from_mode(0o600)).unwrap();
        fs::write(at("link.new"), "precious").unwrap();
        symlink("real", at("link")).unwrap();

        replace(&at("link"), b"new").unwrap();

        assert_eq!(fs::read(at("real")).unwrap(), b"new");
        assert_eq!(fs::metadata(at("real")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_link(at("link")).unwrap(), Path::new("real"));
        assert_eq!(fs::read(at("link.new")).unwrap(), b"precious");
        replace(&at("another"), b"first").unwrap();
        assert_eq!(fs::read(at("another")).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }

    #[test]
    fn what_is_no_regular_file_stays_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(replace(&folder.path().join("taken"), b"new").is_err());
        assert!(replace(Path::new("/dev/null"), b"new").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
