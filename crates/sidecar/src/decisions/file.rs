//! A file that is replaced when it is full, and those before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
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
    open: Option<(BufWriter<File>, u64)>,
}

impl LogFile {
    pub(super) fn new(path: PathBuf, max_bytes: u64, keep: u32) -> Self {
        Self { path, max_bytes, keep, open: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it, or makes it for this user alone, and begins a line of its own; whether it was not open yet.
    pub(super) fn open(&mut self) -> io::Result<bool> {
        if self.open.is_some() {
            return Ok(false);
        }
        let file =
            OpenOptions::new().append(true).read(true).create(true).mode(0o600).open(&self.path)?;
        let size = file.metadata()?.len();
        let mut writer = BufWriter::with_capacity(BUFFER, file);
        if size > 0 && !self.ends_its_line()? {
            // A process that was killed has left half a line.
            writer.write_all(b"\n")?;
        }
        self.open = Some((writer, size));
        Ok(true)
    }

    /// Whether it has something, and `bytes` more are too many.
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        let size = self.open.as_ref().map_or(0, |(_, size)| *size);
        size > 0 && size.saturating_add(bytes as u64) > self.max_bytes
    }

    /// Whether `bytes` more can wait with what is gathered.
    pub(super) fn gathers(&self, bytes: usize) -> bool {
        self.open.as_ref().is_none_or(|(writer, _)| writer.buffer().len() + bytes <= BUFFER)
    }

    /// Begins a new file; what was gathered was flushed.
    pub(super) fn begin_anew(&mut self) -> io::Result<()> {
        self.open = None;
        self.rotate()?;
        self.open()?;
        Ok(())
    }

    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.open()?;
        let Some((writer, size)) = &mut self.open else { return Ok(()) };
        *size += line.len() as u64;
        writer.write_all(line)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |(writer, _)| writer.flush())
    }

    /// Closes the file without a last attempt to write what it did not take.
    pub(super) fn give_up(&mut self) {
        if let Some((writer, _)) = self.open.take() {
            drop(writer.into_parts());
        }
    }

    fn ends_its_line(&self) -> io::Result<bool> {
        use std::os::unix::fs::FileExt as _;
        let file = File::open(&self.path)?;
        let last = file.metadata()?.len().saturating_sub(1);
        let mut byte = [0];
        file.read_exact_at(&mut byte, last)?;
        Ok(byte == *b"\n")
    }

    fn rotate(&self) -> io::Result<()> {
        let nth = |nth: u32| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".{nth}"));
            PathBuf::from(name)
        };
        if self.keep <= 1 {
            return fs::remove_file(&self.path);
        }
        for older in (1..self.keep - 1).rev() {
            if nth(older).exists() {
                fs::rename(nth(older), nth(older + 1))?;
            }
        }
        fs::rename(&self.path, nth(1))
    }
}
