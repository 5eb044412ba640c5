//! One reading of a configuration file: its text, and what was found in it so far.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{DOTENV, Effective, Environment, Finding, Location, SecretSource, Snapshot};

/// A text file and its name, able to turn byte offsets into lines and columns.
pub(super) struct Source {
    name: Arc<Path>,
    text: String,
}

/// What the sections share while one configuration is read.
///
/// Sections report through a shared reference, so that each can be read in one flat struct expression.
pub(super) struct Reading<'a> {
    source: &'a Source,
    folder: PathBuf,
    environment: &'a Environment,
    faults: RefCell<Vec<Finding>>,
    warnings: RefCell<Vec<Finding>>,
    literals: RefCell<Vec<Spot>>,
    names: RefCell<Vec<(String, String)>>,
    snapshot: RefCell<Snapshot>,
    secret_files: RefCell<BTreeSet<PathBuf>>,
    pub(super) effective: RefCell<Effective>,
}

/// A value's place: its byte offset in the text and the path of its key.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) offset: usize,
    pub(super) key: String,
}

/// What one reading found.
pub(super) struct Findings {
    pub(super) faults: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
    /// Secrets that stand in the file itself.
    pub(super) literals: Vec<Spot>,
    pub(super) snapshot: Snapshot,
    /// Files that secrets were read from, besides this one.
    pub(super) secret_files: BTreeSet<PathBuf>,
    pub(super) effective: Effective,
}

impl Spot {
    /// A place inside this one.
    pub(super) fn below(&self, offset: usize, step: &str) -> Self {
        Self { offset, key: format!("{}{step}", self.key) }
    }
}

impl Source {
    /// Reads at most `limit` bytes of UTF-8 from `path`.
    ///
    /// # Errors
    ///
    /// A finding at the byte that is wrong, or at 1:1 where the file cannot be read.
    pub(super) fn open(path: &Path, limit: u64) -> Result<Self, Finding> {
        let name: Arc<Path> = path.into();
        let wrong = |(line, column), detail| {
            let location = Location { file: Arc::clone(&name), line, column };
            Finding { location, key: String::new(), detail }
        };
        let bytes = read_bounded(path, limit)
            .map_err(|err| wrong((1, 1), format!("cannot be read: {err}")))?;
        String::from_utf8(bytes).map(|text| Self { name: Arc::clone(&name), text }).map_err(|err| {
            let valid = &err.as_bytes()[..err.utf8_error().valid_up_to()];
            let place = place(&String::from_utf8_lossy(valid), valid.len());
            wrong(place, "is not UTF-8 from here on; save the file as UTF-8".into())
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The line and column of a byte offset.
    pub(super) fn locate(&self, offset: usize) -> Location {
        let (line, column) = place(&self.text, offset);
        Location { file: Arc::clone(&self.name), line, column }
    }
}

impl<'a> Reading<'a> {
    /// `snapshot` holds the files that were looked at already.
    pub(super) fn new(
        source: &'a Source,
        folder: PathBuf,
        environment: &'a Environment,
        snapshot: Snapshot,
    ) -> Self {
        Self {
            source,
            folder,
            environment,
            faults: RefCell::default(),
            warnings: RefCell::default(),
            literals: RefCell::default(),
            names: RefCell::default(),
            snapshot: RefCell::new(snapshot),
            secret_files: RefCell::default(),
            effective: RefCell::default(),
        }
    }

    pub(super) fn environment(&self) -> &'a Environment {
        self.environment
    }

    pub(super) fn fault(&self, spot: &Spot, detail: impl Into<String>) {
        self.faults.borrow_mut().push(self.finding(spot, detail.into()));
    }

    /// How many faults were found so far.
    pub(super) fn faults_so_far(&self) -> usize {
        self.faults.borrow().len()
    }

    pub(super) fn warn(&self, spot: &Spot, detail: impl Into<String>) {
        self.warnings.borrow_mut().push(self.finding(spot, detail.into()));
    }

    /// From now on, what is found at `place` or below it is told of `name`.
    pub(super) fn call(&self, place: &str, name: &str) {
        self.names.borrow_mut().push((place.into(), name.into()));
    }

    /// Remembers that a secret stands in the file itself.
    pub(super) fn literal(&self, spot: &Spot) {
        self.literals.borrow_mut().push(spot.clone());
    }

    /// Remembers which file holds a secret that came from `source`, if any does.
    pub(super) fn secret(&self, source: &SecretSource) {
        let file = match source {
            SecretSource::File(path) => path.clone(),
            SecretSource::Environment(name) if self.environment.is_of_dotenv(name) => {
                self.path(DOTENV)
            }
            SecretSource::Environment(_) | SecretSource::Literal => return,
        };
        self.secret_files.borrow_mut().insert(file);
    }

    /// A path as it is meant: relative to the configuration file's folder. The file is looked at from now on.
    pub(super) fn watched(&self, path: &str) -> PathBuf {
        let path = self.path(path);
        self.snapshot.borrow_mut().look_at(&path);
        path
    }

    /// Whether this file is looked at, by the name it has here or by another.
    pub(super) fn reads(&self, file: &Path) -> bool {
        let same = |one: &Path| {
            let real = |path: &Path| fs::canonicalize(path).ok();
            one == file || real(one).is_some_and(|one| real(file) == Some(one))
        };
        self.snapshot.borrow().paths().any(|looked_at| same(looked_at))
    }

    /// A path as it is meant: relative to the configuration file's folder.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    pub(super) fn locate(&self, offset: usize) -> Location {
        self.source.locate(offset)
    }

    pub(super) fn finish(self) -> Findings {
        Findings {
            faults: self.faults.into_inner(),
            warnings: self.warnings.into_inner(),
            literals: self.literals.into_inner(),
            snapshot: self.snapshot.into_inner(),
            secret_files: self.secret_files.into_inner(),
            effective: self.effective.into_inner(),
        }
    }

    fn finding(&self, spot: &Spot, detail: String) -> Finding {
        let names = self.names.borrow();
        let called = names.iter().find_map(|(place, name)| {
            let below = spot.key.strip_prefix(place.as_str())?;
            Some(format!("{name}{below}"))
        });
        let key = called.unwrap_or_else(|| spot.key.clone());
        Finding { location: self.locate(spot.offset), key, detail }
    }
}

/// Reads a regular file of at most `limit` bytes; never waits on a pipe or a device.
///
/// # Errors
///
/// The system's, or one that says that it is no regular file or too large.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let too_large = || Err(io::Error::other(format!("it is larger than {limit} bytes")));
    // Not read at all: a module that is too large would take more memory than any that is not.
    if metadata.len() > limit {
        return too_large();
    }
    // It may grow meanwhile.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).map_or(0, |len| len + 1));
    fs::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return too_large();
    }
    Ok(bytes)
}

/// Line and column of a byte offset, both from 1; the column counts characters.
fn place(text: &str, offset: usize) -> (u32, u32) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let line = count(before.matches('\n').count()).saturating_add(1);
    (line, count(before[line_start..].chars().count()).saturating_add(1))
}
