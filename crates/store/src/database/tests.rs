mod disk;
mod opening;

use std::os::unix::fs::FileExt as _;
use std::sync::mpsc;

use super::*;
use crate::fixtures::{
    NOW, accept, bring, folder, id, ids, in_file, in_memory, killed, later, new, open, path, record,
};
use crate::{Attempt, AttemptOutcome, Change, Status, Store, StoreOptions};

/// How many transactions the log has: its frames that end one.
///
/// Source: SQLite, "WAL-mode File Format", sections 1 and 2.
fn commits(folder: &tempfile::TempDir) -> usize {
    let log = fs::read(beside(&path(folder), "-wal")).unwrap();
    let page = u32::from_be_bytes(log[8..12].try_into().unwrap()) as usize;
    let salt = &log[16..24];
    let frames = log[32..].chunks_exact(24 + page).take_while(|frame| &frame[8..16] == salt);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}

/// Keeps the writer busy until the sender is dropped. Nothing else is in its transaction.
fn hold_up(store: &Store) -> (mpsc::Sender<()>, Commit<()>) {
    let (go_on, gate) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    let busy = store.database.write(move |_| {
        begun.send(()).unwrap();
        let _open = gate.recv();
        Ok(())
    });
    has_begun.recv().unwrap();
    (go_on, busy)
}

fn unavailable<T: fmt::Debug>(said: Result<T, StoreError>) -> String {
    match said {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("is not unavailable but {other:?}"),
    }
}

#[tokio::test]
async fn what_waits_together_is_committed_together() {
    let folder = folder();
    let store = open(&in_file(&folder));
    let before = commits(&folder);
    let (go_on, busy) = hold_up(&store);
    let accepts: Vec<_> =
        (0..200).map(|n| store.accept(vec![new(&format!("m{n}"))], None)).collect();
    drop(go_on);
    busy.await.unwrap();
    for accepted in accepts {
        accepted.await.unwrap();
    }
    assert_eq!(commits(&folder) - before, 1, "transactions for 200 messages");
    let page = store.list(&crate::Filter::default()).await.unwrap();
    assert_eq!(&*page.records[0].id.0, "m199", "in the order in which they came");
}

#[tokio::test]
async fn one_piece_of_work_that_fails_or_panics_fails_alone() {
    let folder = folder();
    let store = open(&in_file(&folder));
    let (go_on, busy) = hold_up(&store);
    let first = store.accept(vec![new("m1")], None);
    let poisoned = store.database.write(|connection| {
        connection.execute("INSERT INTO sizes VALUES ('new', 1)", [])?;
        connection.execute("INSERT INTO sizes VALUES ('messages', 0)", [])?;
        Ok(())
    });
    let panicking = store.database.write(|connection| -> Result<(), Fault> {
        connection.execute("INSERT INTO sizes VALUES ('new', 1)", [])?;
        panic!("as work with a fault would");
    });
    let last = store.accept(vec![new("m2")], None);
    drop(go_on);
    busy.await.unwrap();
    assert_eq!((first.await, last.await), (Ok(()), Ok(())));
    let why = unavailable(poisoned.await);
    assert!(why.contains("UNIQUE constraint failed"), "{why}");
    let why = unavailable(panicking.await);
    assert!(why.contains("a fault in sendgate itself"), "{why}");
    assert_eq!(store.trouble(), None);
    assert_eq!(ids(&store).await, ["m2", "m1"]);
    let count = |connection: &Connection| {
        Ok(connection.query_row("SELECT count(*) FROM sizes", [], |row| row.get::<_, i64>(0))?)
    };
    assert_eq!(store.database.read(count).await, Ok(3), "neither left a trace");
}

#[tokio::test]
async fn a_panic_in_a_read_leaves_the_reader_to_others() {
    let folder = folder();
    let store = open(&in_file(&folder));
    let broken = store.database.read(|_| -> Result<(), Fault> { panic!("as a fault would") });
    unavailable(broken.await);
    assert_eq!(store.get(None, &id("m1")).await, Ok(None));
    assert_eq!(store.trouble(), None);
}

#[tokio::test]
async fn too_much_that_waits_is_refused_at_once() {
    let folder = folder();
    let store = open(&in_file(&folder));
    let (go_on, busy) = hold_up(&store);
    let all: Vec<_> = (0..2_000).map(|_| store.database.write(|_| Ok(()))).collect();
    drop(go_on);
    busy.await.unwrap();
    let mut done = 0;
    for commit in all {
        match commit.await {
            Ok(()) => done += 1,
            Err(why) => {
                let full = "too much waits for the disk".to_owned();
                assert_eq!(why, StoreError::Unavailable(full));
            }
        }
    }
    assert_eq!(done, 1_024);
}
