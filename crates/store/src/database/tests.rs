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
async fn a_database_that_somebody_has_locked_is_unavailable_until_they_let_go() {
    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1"]).await;
    let person = Connection::open(path(&folder)).unwrap();
    person.execute_batch("BEGIN IMMEDIATE").unwrap();
    let why = unavailable(store.accept(vec![new("m2")], None).await);
    assert!(why.contains("locked"), "{why}");
    assert_eq!(store.trouble(), Some(StoreError::Unavailable(why)));
    assert_eq!(ids(&store).await, ["m1"], "what is there can be read");
    person.execute_batch("ROLLBACK").unwrap();
    store.sweep(NOW).await.unwrap();
    assert_eq!(store.trouble(), None, "the sweep found out that it can be written again");
    accept(&store, &["m2"]).await;
    assert_eq!(ids(&store).await, ["m2", "m1"]);
}

#[tokio::test]
async fn everybody_whom_the_disk_refuses_is_told_and_may_ask_again() {
    let folder = folder();
    let store = open(&in_file(&folder));
    let person = Connection::open(path(&folder)).unwrap();
    let all = || (0..20).map(|n| store.accept(vec![new(&format!("m{n}"))], None)).collect();
    let (go_on, busy) = hold_up(&store);
    let accepts: Vec<_> = all();
    drop(go_on);
    busy.await.unwrap();
    for accepted in accepts {
        accepted.await.unwrap();
    }
    person.execute_batch("BEGIN IMMEDIATE").unwrap();
    let accepts: Vec<_> = all();
    for accepted in accepts {
        unavailable(accepted.await);
    }
    person.execute_batch("ROLLBACK").unwrap();
    let accepts: Vec<_> = all();
    for accepted in accepts {
        assert_eq!(accepted.await, Err(StoreError::Exists), "those of before are there");
    }
    assert_eq!(store.trouble(), None);
    assert_eq!(ids(&store).await.len(), 20);
}

#[tokio::test]
async fn at_the_end_the_log_is_emptied_though_another_program_has_the_database_open() {
    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1"]).await;
    let person = Connection::open(path(&folder)).unwrap();
    let count = |sql| person.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM messages"), 1);
    let log = beside(&path(&folder), "-wal");
    assert!(log.metadata().unwrap().len() > 0);
    drop(store);
    assert_eq!(log.metadata().unwrap().len(), 0, "what was to be forgotten would be in it");
    assert_eq!(count("SELECT count(*) FROM messages"), 1);
}

/// Sets a pragma of the connection that writes.
async fn set(store: &Store, name: &'static str, value: i64) {
    let set = move |connection: &Connection| Ok(connection.pragma_update(None, name, value)?);
    store.database.write(set).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_and_loses_nothing() {
    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1"]).await;
    // SQLite's own bound on pages ends in the error that a full disk ends in.
    set(&store, "max_page_count", 1).await;
    let large = |which| {
        let mut new = new(which);
        new.text = "long ".repeat(10_000);
        new
    };
    let why = unavailable(store.accept(vec![large("m2")], None).await);
    assert!(why.contains("full"), "{why}");
    assert_eq!(store.trouble(), Some(StoreError::Unavailable(why)));
    assert_eq!(ids(&store).await, ["m1"]);
    set(&store, "max_page_count", 1 << 30).await;
    store.accept(vec![large("m2")], None).await.unwrap();
    assert_eq!(store.trouble(), None);
    assert_eq!(ids(&store).await, ["m2", "m1"]);
}

#[tokio::test]
async fn a_database_that_became_read_only_refuses_what_is_new_and_is_still_read() {
    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1"]).await;
    set(&store, "query_only", 1).await;
    let why = unavailable(store.accept(vec![new("m2")], None).await);
    assert!(why.contains("readonly"), "{why}");
    assert_eq!(store.trouble(), Some(StoreError::Unavailable(why)));
    assert_eq!(ids(&store).await, ["m1"]);
}

#[tokio::test]
async fn a_page_that_the_disk_has_spoiled_is_trouble_before_anybody_reads_it() {
    let folder = folder();
    let options = in_file(&folder);
    drop(open(&options));
    let root: u64 = {
        let database = Connection::open(path(&folder)).unwrap();
        let sql = "SELECT rootpage FROM sqlite_master WHERE name = 'attempts'";
        database.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap().into()
    };
    let file = fs::File::options().write(true).open(path(&folder)).unwrap();
    file.write_all_at(&[0xff; 4_096], (root - 1) * 4_096).unwrap();
    let store = open(&options);
    let trouble = loop {
        match store.trouble() {
            Some(trouble) => break trouble,
            None => tokio::task::yield_now().await,
        }
    };
    let why = unavailable(store.accept(vec![new("m1")], None).await);
    assert!(why.contains("damaged"), "{why}");
    assert_eq!(trouble, StoreError::Unavailable(why));
}

#[tokio::test]
async fn a_table_that_is_gone_is_trouble_at_once() {
    let folder = folder();
    let store = open(&in_file(&folder));
    let person = Connection::open(path(&folder)).unwrap();
    person.execute_batch("DROP TABLE attempts; DROP TABLE messages").unwrap();
    let why = unavailable(store.accept(vec![new("m1")], None).await);
    assert!(why.contains("no such table"), "{why}");
    assert_eq!(store.trouble(), Some(StoreError::Unavailable(why)));
}

#[tokio::test]
async fn a_file_that_was_emptied_or_overwritten_is_trouble_before_sqlite_notices() {
    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1"]).await;
    let file = fs::File::options().write(true).open(path(&folder)).unwrap();
    let overwritten = StoreError::Overwritten(path(&folder));
    for spoil in
        [|file: &fs::File| file.write_all_at(&[0; 4_096], 0), |file: &fs::File| file.set_len(0)]
    {
        spoil(&file).unwrap();
        assert_eq!(store.trouble(), Some(overwritten.clone()));
        assert_eq!(store.accept(vec![new("m2")], None).await, Err(overwritten.clone()));
    }
    // SQLite takes the log of an empty file away.
    let person = Connection::open(path(&folder)).unwrap();
    person.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).unwrap();
    assert!(!beside(&path(&folder), "-wal").exists());
    assert_eq!(store.trouble(), Some(overwritten));
}

#[tokio::test]
async fn where_the_log_was_deleted_nothing_is_accepted_and_what_was_is_saved_before_a_kill() {
    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1"]).await;
    let log = beside(&path(&folder), "-wal");
    fs::remove_file(&log).unwrap();
    let moved = StoreError::LogMoved(log);
    assert_eq!(store.accept(vec![new("m2")], None).await, Err(moved.clone()));
    bring(&store, "m1", Status::Submitted).await;
    assert_eq!(store.trouble(), Some(moved));
    // What comes in meanwhile is behind it.
    store.remembered().await.unwrap();
    store.remembered().await.unwrap();
    let left = killed(&folder);
    assert_eq!(record(&open(&in_file(&left)), "m1").await.status, Status::Submitted);
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

#[test]
fn a_second_process_is_refused_until_the_first_has_ended() {
    let folder = folder();
    let first = open(&in_file(&folder));
    let second = Store::open(in_file(&folder), NOW).unwrap_err();
    assert!(matches!(second, OpenError::InUse(_)), "{second:?}");
    assert!(second.to_string().contains("sendgate.db is in use by another sendgate"), "{second}");
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(path(&folder), &link).unwrap();
    let linked = StoreOptions { place: Place::File(link), ..in_file(&folder) };
    let third = Store::open(linked, NOW).unwrap_err();
    assert!(matches!(third, OpenError::InUse(_)), "{third:?}");
    drop(first);
    open(&in_file(&folder));
}

#[tokio::test]
async fn a_second_process_is_refused_where_the_file_beside_the_database_was_deleted() {
    let folder = folder();
    let first = open(&in_file(&folder));
    fs::remove_file(beside(&path(&folder), ".lock")).unwrap();
    let second = Store::open(in_file(&folder), NOW).unwrap_err();
    assert!(matches!(second, OpenError::InUse(_)), "{second:?}");
    accept(&first, &["m1"]).await;
    drop(first);
    assert_eq!(ids(&open(&in_file(&folder))).await, ["m1"]);
}

#[test]
fn a_link_that_leads_nowhere_yet_is_the_database_that_it_leads_to() {
    let folder = folder();
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(path(&folder), &link).unwrap();
    let linked = StoreOptions { place: Place::File(link), ..in_file(&folder) };
    let _first = open(&linked);
    let second = Store::open(in_file(&folder), NOW).unwrap_err();
    assert!(matches!(second, OpenError::InUse(_)), "{second:?}");
}

#[test]
fn a_process_that_lets_go_a_moment_later_is_waited_for() {
    let folder = folder();
    let first = open(&in_file(&folder));
    let options = in_file(&folder);
    let second = std::thread::spawn(move || Store::open(options, NOW).map(drop));
    drop(first);
    second.join().unwrap().expect("the first had let go");
}

#[test]
fn files_that_are_no_store_are_refused_and_stay_as_they_are() {
    let (text, newer, foreign) = (folder(), folder(), folder());
    fs::write(path(&text), "dear diary, ".repeat(1_000)).unwrap();
    let with = |folder, sql| Connection::open(path(folder)).unwrap().execute_batch(sql).unwrap();
    with(&newer, "CREATE TABLE messages (id); PRAGMA user_version = 99");
    with(&foreign, "CREATE TABLE bookmarks (url)");
    for (folder, says) in [
        (&text, "sendgate.db is not a database that can be used"),
        (&newer, "was written by a newer sendgate (schema 99, this one knows 10)"),
        (&foreign, "is the database of another program"),
    ] {
        let before = fs::read(path(folder)).unwrap();
        let refused = Store::open(in_file(folder), NOW).unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
        assert!(fs::read(path(folder)).unwrap() == before, "{says}: the file was changed");
    }
}

#[tokio::test]
async fn a_used_database_whose_key_is_gone_says_so_until_the_next_start() {
    let folder = folder();
    let key = beside(&path(&folder), ".key");
    assert!(!open(&in_file(&folder)).lost_its_key(), "there was none yet");
    fs::remove_file(&key).unwrap();
    let store = open(&in_file(&folder));
    assert!(!store.lost_its_key(), "nothing was kept by it");
    accept(&store, &["m1"]).await;
    drop(store);
    fs::remove_file(&key).unwrap();
    assert!(open(&in_file(&folder)).lost_its_key());
    assert!(!open(&in_file(&folder)).lost_its_key());
}

#[test]
fn places_that_cannot_have_a_database_are_refused() {
    let folder = folder();
    fs::create_dir(path(&folder)).unwrap();
    let directory = Store::open(in_file(&folder), NOW).unwrap_err();
    assert!(matches!(directory, OpenError::File { .. }), "{directory:?}");
    let place = Place::File("/proc/sendgate.db".into());
    let unwritable = Store::open(StoreOptions { place, ..in_memory() }, NOW).unwrap_err();
    assert!(matches!(unwritable, OpenError::File { .. }), "{unwritable:?}");
    let place = Place::File(folder.path().join("no/such/folder/sendgate.db"));
    let missing = Store::open(StoreOptions { place, ..in_memory() }, NOW).unwrap_err();
    assert!(matches!(missing, OpenError::File { .. }), "{missing:?}");
}

#[tokio::test]
async fn what_the_first_version_kept_is_there_after_every_step() {
    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1", "m2"]).await;
    bring(&store, "m1", Status::Submitted).await;
    // As it wrote one after which the message was sent again.
    let given_up = Attempt {
        number: 1,
        started: NOW,
        ended: Some(later(1)),
        outcome: Some(AttemptOutcome::InDoubt),
        http_status: None,
        code: Some("given_up".into()),
        account: None,
        plivo_time: None,
        given_up: None,
    };
    let timeout = Attempt { number: 2, code: Some("timeout".into()), ..given_up.clone() };
    for attempt in [given_up.clone(), timeout.clone()] {
        let call = Change { attempt: Some(attempt), ..Change::at(NOW) };
        store.change(&id("m2"), call).await.unwrap();
    }
    let before = store.list(&crate::Filter::default()).await.unwrap().records;
    drop(store);
    // As a sendgate of that version leaves it.
    let old = Connection::open(path(&folder)).unwrap();
    old.execute_batch(
        "DROP TABLE identity; ALTER TABLE attempts DROP COLUMN plivo_time; \
         DROP INDEX attempts_given_up; ALTER TABLE attempts DROP COLUMN given_up; ALTER TABLE idempotency_keys DROP COLUMN confirmed; DROP INDEX holds_untold; DROP INDEX holds_of_window; DROP TABLE dropped_events; DROP TRIGGER events_dropped; \
         DROP INDEX messages_to_look_at; ALTER TABLE messages DROP COLUMN account; \
         ALTER TABLE departed DROP COLUMN account; \
         ALTER TABLE messages DROP COLUMN next_try; ALTER TABLE departed DROP COLUMN next_try; \
         CREATE INDEX messages_to_look_at ON messages (next_look); PRAGMA user_version = 1",
    )
    .unwrap();
    drop(old);

    let store = open(&in_file(&folder));
    let after = store.list(&crate::Filter::default()).await.unwrap().records;
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert!(after.iter().all(|record| record.account == message::DEFAULT_ACCOUNT));
    assert_eq!(store.name().len(), 32, "{}", store.name());
    let given_up = Attempt { code: None, given_up: Some(later(1)), ..given_up };
    assert_eq!(record(&store, "m2").await.attempts, [given_up, timeout]);
}

#[tokio::test]
async fn only_this_user_can_read_what_is_kept() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1"]).await;
    for suffix in ["", "-wal", "-shm", ".key"] {
        let file = beside(&path(&folder), suffix);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_person_can_read_the_store_with_sqlites_own_program() {
    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1"]).await;
    bring(&store, "m1", Status::Submitted).await;
    store.sweep(later(1)).await.unwrap();
    let person = Connection::open(path(&folder)).unwrap();
    let sql = "SELECT id || ' ' || status || ' ' || created FROM messages_shown";
    let shown: String = person.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(shown, "m1 submitted 2026-05-28 20:26:40");
    let sql = "SELECT message || ' ' || state || ' ' || at FROM events_shown";
    let shown: String = person.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(shown, "m1 submitted 2026-05-28 20:26:40");
}

#[tokio::test]
async fn once_a_part_is_damaged_nothing_new_is_accepted_until_all_is_whole() {
    let folder = folder();
    let store = open(&in_file(&folder));
    accept(&store, &["m1"]).await;
    let (file, root) = {
        let other = Connection::open(path(&folder)).unwrap();
        other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        let sql =
            "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_idempotency_keys_1'";
        let root: u32 = other.query_row(sql, [], |row| row.get(0)).unwrap();
        let page: u32 = other.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
        let file = fs::OpenOptions::new().read(true).write(true).open(path(&folder)).unwrap();
        (file, u64::from(root - 1) * u64::from(page))
    };
    let mut good = [0; 512];
    file.read_exact_at(&mut good, root).unwrap();
    file.write_all_at(&[0xff; 512], root).unwrap();

    let fingerprint = crate::Fingerprint::over(store.secret(), &[]);
    let claimed = store.claim("billing", "k", fingerprint, NOW).await;
    assert!(matches!(claimed, Err(StoreError::Unavailable(_))), "{claimed:?}");
    // What needs no key would find its pages whole.
    for id in ["m2", "m3"] {
        let told = unavailable(store.accept(vec![new(id)], None).await);
        assert!(told.contains("malformed") || told.contains("damaged"), "{told}");
        assert_eq!(ids(&store).await, ["m1"], "it can be read still");
        assert!(store.trouble().is_some(), "after a list that came out well");
    }

    file.write_all_at(&good, root).unwrap();
    while store.trouble().is_some() {
        tokio::task::yield_now().await;
        drop(store.list(&crate::Filter::default()).await);
    }
    accept(&store, &["m4"]).await;
}
