//! What the disk, the file system and other programs do to an open database.

use super::*;

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
