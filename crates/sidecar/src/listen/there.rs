//! What is where the file of a Unix socket is to be made.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use tokio::net::UnixStream;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum There {
    Nothing,
    /// A socket that a process which was killed has left. It is in the way of the next one, which replaces it.
    Stale,
    /// A socket that is listened on, or of which nobody here may find out.
    Socket,
    /// Anything else. Connecting to it is refused as well, and it is not ours to remove.
    Other,
}

impl There {
    pub(crate) async fn at(path: &Path) -> Self {
        match fs::symlink_metadata(path) {
            Err(_) => return Self::Nothing,
            Ok(found) if !found.file_type().is_socket() => return Self::Other,
            Ok(_) => {}
        }
        match UnixStream::connect(path).await {
            Err(err) if err.kind() == ErrorKind::ConnectionRefused => Self::Stale,
            _ => Self::Socket,
        }
    }
}
