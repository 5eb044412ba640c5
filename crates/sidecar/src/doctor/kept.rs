//! The disk and the database on it.

use std::fs::{self, File};
use std::path::Path;
use std::{io, process};

use rustix::fs::{Access, access, statfs, statvfs};
use store::{Inspection, MinFree, OpenError, inspect};

use super::{Finding, PATIENCE};
use crate::config::{Fixed, Store};
use crate::failure::whole;

/// File systems that a database should not be on, by what statfs(2) calls them.
const DOUBTFUL: [(u32, &str); 7] = [
    (0x0102_1994, "tmpfs: it is in memory, and gone with the machine"),
    (
        0x794c_7630,
        "overlayfs: where that is a container's own layer, it is gone with the container",
    ),
    (0x6969, "NFS, on whose locks SQLite cannot rely"),
    (0xff53_4d42, "CIFS, on whose locks SQLite cannot rely"),
    (0xfe53_4d42, "SMB, on whose locks SQLite cannot rely"),
    (0x6573_5546, "FUSE, which may not keep what was synced"),
    (0x0102_1997, "9p, on whose locks SQLite cannot rely"),
];

pub(super) fn look(fixed: &Fixed) -> Vec<Finding> {
    let mut findings = store(&fixed.store);
    if let Some(path) = &fixed.decisions.path {
        findings.push(decisions(path));
    }
    findings.extend(fixed.compile_cache.as_deref().map(compile_cache));
    findings
}

fn store(store: &Store) -> Vec<Finding> {
    let Some(path) = &store.path else {
        let seen = "messages are kept in memory: nothing survives a restart";
        let to_do = "set [store] path, unless this is for trying out";
        return vec![
            Finding::skipped("disk", "nothing is kept on one"),
            Finding::warn("store", seen, to_do),
        ];
    };
    let folder = folder_of(path);
    vec![disk(folder, store.min_free), database(path, is_full(folder))]
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Where decisions are written down.
fn decisions(path: &Path) -> Finding {
    let (at, folder) = (path.display(), folder_of(path));
    let may = match path.metadata() {
        Ok(_) => access(path, Access::WRITE_OK).map_err(Into::into),
        Err(_) => may_make_files(folder),
    };
    match may {
        Err(err) => {
            let to_do =
                "let the sidecar's user write there, or mend [decisions] path; messages go on";
            Finding::fail("decisions", format!("{at} cannot be written to: {err}"), to_do)
        }
        Ok(()) if is_full(folder) => {
            let seen = format!("nothing of {} is free: decisions are lost", folder.display());
            Finding::fail("decisions", seen, "free some of it")
        }
        Ok(()) => Finding::ok("decisions", format!("{at} can be written to")),
    }
}

/// Where compiled policies are kept: without it there is no start.
fn compile_cache(path: &Path) -> Finding {
    let at = path.display();
    let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    match may_make_files(there) {
        Err(err) => {
            let to_do = "let the sidecar's user write there, or name another folder in [reload] compile_cache";
            Finding::fail("compile_cache", format!("{at} cannot be used: {err}"), to_do)
        }
        Ok(()) => Finding::ok("compile_cache", format!("{at} can be written to")),
    }
}

/// By making one, and taking it away: who has every right may still be on a file system that takes none.
fn may_make_files(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".sendgate-doctor-{}", process::id()));
    File::options().write(true).create_new(true).open(&path)?;
    fs::remove_file(path)
}

/// Whether nothing of it is free. One that does not say how large it is does not say that either.
fn is_full(folder: &Path) -> bool {
    statvfs(folder).is_ok_and(|told| told.f_blocks > 0 && told.f_bavail == 0)
}

fn disk(folder: &Path, min_free: MinFree) -> Finding {
    let at = folder.display();
    if let Err(err) = access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        let to_do = "make the folder, and let the sidecar's user write to it";
        return Finding::fail("disk", format!("{at} cannot be written to: {err}"), to_do);
    }
    let Ok(told) = statvfs(folder) else {
        return Finding::skipped("disk", format!("{at} does not say how much is free"));
    };
    if is_full(folder) {
        let seen = format!("nothing of {at} is free: nothing more can be written down");
        return Finding::fail("disk", seen, "free some of it");
    }
    let bytes = |blocks: u64| u128::from(blocks) * u128::from(told.f_frsize);
    let (free, least) = (bytes(told.f_bavail), min_free.of(bytes(told.f_blocks)));
    let megabytes = |bytes: u128| bytes.div_ceil(1 << 20);
    if free < least {
        let (free, least) = (free >> 20, megabytes(least));
        let seen = format!("{free} MiB of {at} are free, and {least} should be: no send is taken");
        let to_do = "free some of it, or lower [store] min_free_mb or min_free_percent";
        return Finding::fail("disk", seen, to_do);
    }
    // The type has another width on each system.
    let kind = statfs(folder).ok().and_then(|told| u32::try_from(told.f_type).ok());
    match DOUBTFUL.iter().find(|(number, _)| Some(*number) == kind) {
        Some((_, name)) => {
            let to_do = "put [store] path on a local disk, or on a volume that stays";
            Finding::warn("disk", format!("{at} is on {name}"), to_do)
        }
        None => Finding::ok("disk", format!("{} MiB of {at} are free", free >> 20)),
    }
}

fn database(path: &Path, is_full: bool) -> Finding {
    let at = path.display();
    match inspect(path, PATIENCE / 2) {
        Ok(None) => {
            Finding::ok("store", format!("{at} is not there yet; the first start makes it"))
        }
        Ok(Some(seen)) => told(&at.to_string(), &seen),
        Err(err) => {
            let to_do = match &err {
                OpenError::File { .. } => "let the sidecar's user read and write it",
                // That alone may be what is wrong with it, and a copy of before lacks what it has.
                _ if is_full => "free some of the disk, and look again",
                OpenError::Database { .. } => {
                    "end what has it locked, or put a copy of before in its place; a sidecar refuses sends until then"
                }
                _ => "the configuration names the wrong file; mend [store] path",
            };
            Finding::fail("store", whole(&err), to_do)
        }
    }
}

fn told(at: &str, seen: &Inspection) -> Finding {
    if let Some(damage) = &seen.damage {
        let to_do = "stop the sidecar, keep the file, and put a copy of before in its place";
        return Finding::fail("store", format!("{at} is damaged: {damage}"), to_do);
    }
    let by = match seen.in_use {
        Some(Some(pid)) => format!(", in use by process {pid}"),
        Some(None) => ", in use".to_owned(),
        None => String::new(),
    };
    let sound = if seen.is_whole { "sound" } else { "readable (too large to look through)" };
    let counts = seen.backlog.unwrap_or_default();
    let (waiting, in_doubt, held) = (counts.waiting, counts.in_doubt, counts.held);
    let seen = format!("{at} is {sound}{by}: {waiting} waiting, {in_doubt} in doubt, {held} held");
    if held > 0 {
        let to_do = "decide about those held: `sendgate messages list --status held`";
        return Finding::warn("store", seen, to_do);
    }
    Finding::ok("store", seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_can_be_written_the_decision_log_and_the_cache_fail() {
        for finding in
            [decisions(Path::new("/proc/d.jsonl")), compile_cache(Path::new("/proc/a/b"))]
        {
            let told = finding.to_string();
            assert!(told.starts_with("fail") && told.contains("let the sidecar's user"), "{told}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let here = folder.path();
        for finding in [decisions(&here.join("d.jsonl")), compile_cache(&here.join("a/b"))] {
            assert!(finding.to_string().starts_with("ok"), "{finding}");
        }
    }

    #[test]
    fn a_disk_without_room_and_a_folder_that_is_not_there_fail() {
        let here = std::env::temp_dir();
        let low = disk(&here, MinFree { percent: 100, bytes: u64::MAX }).to_string();
        assert!(
            low.starts_with("fail") && low.contains("MiB of") && low.contains("should be: no send"),
            "{low}"
        );
        let gone = disk(&here.join("no such folder"), MinFree::NONE).to_string();
        assert!(gone.starts_with("fail") && gone.contains("cannot be written to"), "{gone}");
    }
}
