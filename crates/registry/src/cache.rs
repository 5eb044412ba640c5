//! What was pulled, kept by digest: a folder of files, each written at once and checked again whenever it is read.
//!
//! A file named by 64 digits is what has that SHA-256. One that begins with `ref-` says which digest a tag had last.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::Digest;

/// Where to keep what was pulled, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// The folder; made where it is not there. Whoever may write it may say what a tag was last, and nothing else.
    pub folder: PathBuf,
    /// Most bytes; what was not used for the longest time goes first, what is in use never.
    pub most_bytes: u64,
    /// Whether what is pulled is kept; else the folder is only read.
    pub keeps: bool,
}

/// A write takes less than this; what is older was left by a process that ended in the middle of one.
const STALE: Duration = Duration::from_secs(3_600);

/// What a file of the cache is, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kept,
    Part,
}

/// The names of files that were used.
pub(crate) type Used = BTreeSet<String>;

impl Cache {
    /// What has this digest; `None` where it is not there, or is something else by now.
    pub(crate) fn blob(&self, digest: Digest, most: usize, used: &mut Used) -> Option<Vec<u8>> {
        let path = self.folder.join(digest.hex());
        let bytes = read(&path, most)?;
        if Digest::of(&bytes) != digest {
            tracing::warn!(file = %path.display(), "what was kept is not what its digest says; it is passed over");
            if self.keeps {
                drop(fs::remove_file(&path));
            }
            return None;
        }
        used.insert(digest.hex());
        Some(bytes)
    }

    /// Which digest `name` had last.
    pub(crate) fn reference(&self, name: &str, used: &mut Used) -> Option<Digest> {
        let file = file_of(name);
        let text = read(&self.folder.join(&file), 128)?;
        let digest = Digest::parse(std::str::from_utf8(&text).ok()?)?;
        used.insert(file);
        Some(digest)
    }

    pub(crate) fn keep(&self, bytes: &[u8], used: &mut Used) -> io::Result<()> {
        self.write(Digest::of(bytes).hex(), bytes, used)
    }

    pub(crate) fn refer(&self, name: &str, digest: Digest, used: &mut Used) -> io::Result<()> {
        self.write(file_of(name), digest.to_string().as_bytes(), used)
    }

    /// Takes out what was not used for the longest time, until no more than the bound is left, but nothing of `in_use`;
    /// and what a write left that did not come to its end. Whatever is not of the cache is neither touched nor counted.
    ///
    /// # Errors
    ///
    /// The system's, after everything else was done.
    pub fn prune(&self, in_use: &BTreeSet<String>) -> io::Result<()> {
        let folder = match fs::read_dir(&self.folder) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
            folder => folder?,
        };
        let (mut files, mut bytes, mut pruned) = (Vec::new(), 0, Ok(()));
        for entry in folder {
            let entry = entry?;
            let name = entry.file_name();
            // Not of what a link leads to. Another process may have taken it out since.
            let Some((name, seen)) = name.to_str().zip(entry.metadata().ok()) else { continue };
            let Some(kind) = Kind::of(name).filter(|_| seen.is_file()) else { continue };
            let modified = seen.modified()?;
            match kind {
                Kind::Kept => {
                    bytes += seen.len();
                    files.push((modified, seen.len(), entry.path(), in_use.contains(name)));
                }
                Kind::Part if modified.elapsed().is_ok_and(|age| age > STALE) => {
                    pruned = pruned.and(taken_out(&entry.path()));
                }
                Kind::Part => {}
            }
        }
        files.sort();
        for (_, own, path, _) in files.iter().filter(|(.., in_use)| !in_use) {
            if bytes <= self.most_bytes {
                break;
            }
            match taken_out(path) {
                Ok(()) => bytes -= own,
                err => pruned = pruned.and(err),
            }
        }
        pruned
    }

    fn write(&self, name: String, bytes: &[u8], used: &mut Used) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if !self.keeps {
            return Ok(());
        }
        fs::create_dir_all(&self.folder)?;
        // Of its own, since another process may write the same; whole, since a reader may come at any moment.
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let part = self.folder.join(format!("part-{}-{nth}", std::process::id()));
        let written = File::create(&part).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&part, self.folder.join(&name))
        });
        if written.is_err() {
            drop(fs::remove_file(&part));
        } else {
            used.insert(name);
        }
        written
    }
}

impl Kind {
    /// `None` for what the cache did not write: the folder may be one where other things lie, too.
    fn of(name: &str) -> Option<Self> {
        let part = |rest: &str| {
            let number =
                |text: &str| !text.is_empty() && text.bytes().all(|at| at.is_ascii_digit());
            rest.split_once('-').is_some_and(|(process, nth)| number(process) && number(nth))
        };
        match name.strip_prefix("part-") {
            Some(rest) => part(rest).then_some(Self::Part),
            None => is_hex(name.strip_prefix("ref-").unwrap_or(name)).then_some(Self::Kept),
        }
    }
}

fn is_hex(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|at| matches!(at, b'0'..=b'9' | b'a'..=b'f'))
}

/// What is gone already was taken out by another process.
fn taken_out(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// At most `most` bytes of a file, which counts as used from now on; `None` where it is anything but a regular file,
/// since opening some of those waits for another process, and a link may lead anywhere.
fn read(path: &Path, most: usize) -> Option<Vec<u8>> {
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let file = File::open(path).ok()?;
    let mut bytes = Vec::new();
    (&file).take(most as u64 + 1).read_to_end(&mut bytes).ok()?;
    // A folder that cannot be written is read all the same; only its order of age is lost.
    drop(file.set_modified(SystemTime::now()));
    (bytes.len() <= most).then_some(bytes)
}

fn file_of(name: &str) -> String {
    format!("ref-{}", Digest::of(name.as_bytes()).hex())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    use super::{Cache, Used};
    use crate::Digest;

    fn cache(most_bytes: u64) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache { folder: folder.path().join("modules"), most_bytes, keeps: true };
        (folder, cache)
    }

    #[test]
    fn what_was_kept_is_found_and_what_was_changed_is_not() {
        let ((_folder, cache), mut used) = (cache(1_000), Used::new());
        let digest = Digest::of(b"module");
        assert_eq!(cache.blob(digest, 10, &mut used), None, "nothing was kept yet");
        cache.keep(b"module", &mut used).expect("kept");
        cache.refer("a.b/words:1", digest, &mut used).expect("kept");
        assert_eq!(cache.reference("a.b/words:1", &mut used), Some(digest));
        assert_eq!(cache.reference("a.b/words:2", &mut used), None);
        assert_eq!(cache.blob(digest, 10, &mut used).as_deref(), Some(&b"module"[..]));
        assert_eq!(cache.blob(digest, 5, &mut used), None, "it is larger than what is asked for");
        assert_eq!(used.len(), 2, "{used:?}");

        fs::write(cache.folder.join(digest.hex()), b"modulE").expect("a file");
        assert_eq!(cache.blob(digest, 10, &mut used), None);
        assert!(!cache.folder.join(digest.hex()).exists(), "what was changed is taken out");
    }

    #[test]
    fn where_nothing_is_kept_what_is_there_is_read_and_nothing_is_made() {
        let (_folder, cache) = cache(1_000);
        let looks = Cache { keeps: false, ..cache.clone() };
        looks.keep(b"module", &mut Used::new()).expect("nothing is done");
        assert!(!cache.folder.exists());
        cache.keep(b"module", &mut Used::new()).expect("it is kept");
        let digest = Digest::of(b"module");
        let found = looks.blob(digest, 100, &mut Used::new());
        assert_eq!(found.as_deref(), Some(b"module".as_slice()));
        fs::write(cache.folder.join(digest.hex()), b"modulE").expect("a file");
        assert_eq!(looks.blob(digest, 100, &mut Used::new()), None);
        assert!(cache.folder.join(digest.hex()).exists(), "it is another's to take out");
    }

    #[test]
    fn the_bound_takes_what_was_unused_for_longest_and_never_what_is_in_use() {
        let ((_folder, cache), mut used) = (cache(20), Used::new());
        let now = SystemTime::now();
        for (age, bytes) in
            [b"0123456789", b"1123456789", b"2123456789", b"3123456789"].iter().enumerate()
        {
            cache.keep(*bytes, &mut used).expect("kept");
            let file = File::open(cache.folder.join(Digest::of(*bytes).hex())).expect("a file");
            let age = Duration::from_secs(1_000 - age as u64);
            file.set_modified(now - age).expect("a time");
        }
        let oldest = Digest::of(b"0123456789");
        let in_use = BTreeSet::from([oldest.hex()]);
        // The second oldest is used, and so the third goes before it.
        assert!(cache.blob(Digest::of(b"1123456789"), 10, &mut used).is_some());
        cache.prune(&in_use).expect("pruned");
        let mut left: Vec<_> = fs::read_dir(&cache.folder)
            .expect("a folder")
            .map(|file| file.expect("a file").file_name())
            .collect();
        left.sort();
        let mut wanted =
            [oldest.hex(), Digest::of(b"1123456789").hex()].map(std::ffi::OsString::from);
        wanted.sort();
        assert_eq!(left, wanted);
    }

    #[test]
    fn the_bound_touches_and_counts_nothing_that_the_cache_did_not_write() {
        let ((_folder, cache), mut used) = (cache(8), Used::new());
        cache.keep(b"module", &mut used).expect("kept");
        let hex = Digest::of(b"other").hex();
        let foreign = [
            "sendgate.db".into(),
            "cosign.pub".into(),
            "ref-words".into(),
            "part-of-mine".into(),
            "part-1-".into(),
            hex.to_uppercase(),
            format!("{hex}.wasm"),
        ];
        for name in &foreign {
            put(&cache, name, 1_000);
        }
        fs::create_dir(cache.folder.join(&hex)).expect("a folder in the place of a blob");
        fs::create_dir(cache.folder.join("folder")).expect("a folder");
        let linked = Digest::of(b"linked").hex();
        std::os::unix::fs::symlink("sendgate.db", cache.folder.join(&linked)).expect("a link");
        put(&cache, "part-1-0", 7_200);
        put(&cache, "part-1-1", 60);

        cache.prune(&BTreeSet::new()).expect("pruned");
        for name in
            foreign.iter().chain([&hex, &linked]).map(String::as_str).chain(["folder", "part-1-1"])
        {
            assert!(cache.folder.join(name).symlink_metadata().is_ok(), "{name} was taken out");
        }
        let kept = cache.folder.join(Digest::of(b"module").hex());
        assert!(kept.exists(), "what is not of the cache was counted");
        assert!(!cache.folder.join("part-1-0").exists(), "what a write left long ago stays");

        let cache = Cache { most_bytes: 5, ..cache };
        cache.prune(&BTreeSet::new()).expect("pruned");
        assert!(!kept.exists(), "what is beside it ended the pruning");
    }

    #[test]
    fn a_pipe_or_a_link_in_the_place_of_a_blob_is_neither_waited_for_nor_followed() {
        let ((_folder, cache), mut used) = (cache(1_000), Used::new());
        fs::create_dir_all(&cache.folder).expect("a folder");
        let (piped, linked) = (Digest::of(b"piped"), Digest::of(b"linked"));
        let made =
            std::process::Command::new("mkfifo").arg(cache.folder.join(piped.hex())).status();
        assert!(made.expect("mkfifo").success());
        fs::write(cache.folder.join("elsewhere"), b"linked").expect("a file");
        std::os::unix::fs::symlink("elsewhere", cache.folder.join(linked.hex())).expect("a link");
        assert_eq!(cache.blob(piped, 10, &mut used), None);
        assert_eq!(cache.blob(linked, 10, &mut used), None);
        cache.prune(&BTreeSet::new()).expect("pruned");

        cache.keep(b"piped", &mut used).expect("kept in its place");
        assert_eq!(cache.blob(piped, 10, &mut used).as_deref(), Some(&b"piped"[..]));
    }

    #[test]
    fn a_cache_that_is_not_there_yet_has_nothing_to_be_pruned() {
        let (_folder, cache) = cache(0);
        cache.prune(&BTreeSet::new()).expect("pruned");
    }

    fn put(cache: &Cache, name: &str, age_s: u64) {
        fs::write(cache.folder.join(name), b"0123456789").expect("a file");
        let file = File::open(cache.folder.join(name)).expect("a file");
        file.set_modified(SystemTime::now() - Duration::from_secs(age_s)).expect("a time");
    }
}
