//! A log to be read, more than once.

use std::fs::{self, File};
use std::io::{self, Seek as _};
use std::path::PathBuf;

use uuid::Uuid;

/// A log by its name, and where what it holds can be read from its beginning as often as is wanted.
pub(super) struct Log {
    pub(super) path: PathBuf,
    /// Of what gives itself once only, such as a pipe: a copy, in a file without a name, which goes with the process.
    copy: Option<File>,
}

impl Log {
    /// Reads what can be read once only to its end.
    pub(super) fn find(path: PathBuf) -> io::Result<Self> {
        let mut from = File::open(&path)?;
        let about = from.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let copy = if about.is_file() { None } else { Some(copied(&mut from)?) };
        Ok(Self { path, copy })
    }

    /// At its beginning. Only one at a time is to be read.
    pub(super) fn open(&self) -> io::Result<File> {
        let Some(copy) = &self.copy else { return File::open(&self.path) };
        let mut again = copy.try_clone()?;
        again.rewind()?;
        Ok(again)
    }
}

fn copied(from: &mut File) -> io::Result<File> {
    let name = std::env::temp_dir().join(format!("sendgate-{}", Uuid::new_v4()));
    let mut copy = File::options().read(true).write(true).create_new(true).open(&name)?;
    fs::remove_file(&name)?;
    io::copy(from, &mut copy)?;
    Ok(copy)
}
