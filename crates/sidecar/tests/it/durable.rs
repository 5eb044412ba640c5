//! What was accepted outlives the process that accepted it, and is sent exactly once.

mod bounds;
mod broken;
mod content;
mod restart;
mod told;

use rusqlite::Connection;

use crate::harness::Folder;

/// The database of a sidecar, as a person with `sqlite3` has it.
fn database(folder: &Folder) -> Connection {
    let path = folder.path().join("sendgate.db");
    Connection::open(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}
