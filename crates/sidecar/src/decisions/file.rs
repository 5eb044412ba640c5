//! A file that is replaced when it is full, and those before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Bytes that are gathered before they are written.
const BUFFER: usize = 256 << 10;

/// Lines in `PATH`; when they are too many it becomes `PATH.1`, that `PATH.2`, and so on.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    max_bytes: u64,
    /// How many files there are at most, the one that is written among them.
    keep: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    writer: BufWriter<File>,
    size: u64,
    /// Device and number.
    file: (u64, u64),
    /// A pipe or a device is never full, and is not put aside.
    is_ordinary: bool,
}

impl LogFile {
    pub(super) fn new(path: PathBuf, max_bytes: u64, keep: u32) -> Self {
        Self { path, max_bytes, keep, open: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it, or makes it for this user alone, and begins a line of its own; whether it was not open yet. Where
    /// nothing is gathered and the path has another file than the one that is open, or none, that one is left; one that
    /// was emptied is begun anew.
    pub(super) fn open(&mut self) -> io::Result<bool> {
        if self.open.as_ref().is_some_and(|open| !open.writer.buffer().is_empty()) {
            return Ok(false);
        }
        if self.is_in_place() {
            return Ok(false);
        }
        self.open = None;
        let file =
            OpenOptions::new().append(true).read(true).create(true).mode(0o600).open(&self.path)?;
        let found = file.metadata()?;
        let (size, identity) = (found.len(), (found.dev(), found.ino()));
        let mut writer = BufWriter::with_capacity(BUFFER, file);
        if size > 0 && !self.ends_its_line()? {
            // A process that was killed has left half a line.
            writer.write_all(b"\n")?;
        }
        self.open = Some(Open { writer, size, file: identity, is_ordinary: found.is_file() });
        Ok(true)
    }

    /// Whether it has something, and `bytes` more are too many.
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        self.open.as_ref().is_some_and(|open| {
            let after = open.size.saturating_add(bytes as u64);
            open.is_ordinary && open.size > 0 && after > self.max_bytes
        })
    }

    /// Whether `bytes` more can wait with what is gathered.
    pub(super) fn gathers(&self, bytes: usize) -> bool {
        self.open.as_ref().is_none_or(|open| open.writer.buffer().len() + bytes <= BUFFER)
    }

    /// Begins a new file; what was gathered was flushed.
    pub(super) fn begin_anew(&mut self) -> io::Result<()> {
        let is_in_place = self.is_in_place();
        self.open = None;
        if is_in_place {
            self.rotate()?;
        }
        self.open()?;
        Ok(())
    }

    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let Some(Open { writer, size, .. }) = &mut self.open else { return Ok(()) };
        *size += line.len() as u64;
        writer.write_all(line)
    }

    /// Writes what is gathered. A file that has no name any more has not taken it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some(Open { writer, .. }) = &mut self.open else { return Ok(()) };
        if writer.buffer().is_empty() {
            return Ok(());
        }
        writer.flush()?;
        match writer.get_ref().metadata()?.nlink() {
            0 => Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed")),
            _ => Ok(()),
        }
    }

    /// Closes the file without a last attempt to write what it did not take.
    pub(super) fn give_up(&mut self) {
        if let Some(Open { writer, .. }) = self.open.take() {
            drop(writer.into_parts());
        }
    }

    /// Whether the path has the file that is open, with all that was written to it; where the file system does not say,
    /// it has.
    fn is_in_place(&self) -> bool {
        self.open.as_ref().is_some_and(|open| match fs::metadata(&self.path) {
            Ok(now) => {
                let written = open.size.saturating_sub(open.writer.buffer().len() as u64);
                let is_whole = !now.is_file() || now.len() >= written;
                is_whole && (now.dev(), now.ino()) == open.file
            }
            Err(err) => err.kind() != io::ErrorKind::NotFound,
        })
    }

    fn ends_its_line(&self) -> io::Result<bool> {
        use std::os::unix::fs::FileExt as _;
        let file = File::open(&self.path)?;
        let last = file.metadata()?.len().saturating_sub(1);
        let mut byte = [0];
        file.read_exact_at(&mut byte, last)?;
        Ok(byte == *b"\n")
    }

    /// Where it is a link, beside what that leads to; the link stays.
    fn rotate(&self) -> io::Result<()> {
        let path = fs::canonicalize(&self.path)?;
        let nth = |nth: u32| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{nth}"));
            PathBuf::from(name)
        };
        if self.keep <= 1 {
            return fs::remove_file(&path);
        }
        for older in (1..self.keep - 1).rev() {
            if nth(older).exists() {
                fs::rename(nth(older), nth(older + 1))?;
            }
        }
        fs::rename(&path, nth(1))
    }
}
