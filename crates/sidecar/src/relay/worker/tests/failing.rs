//! Events whose outcome cannot be written down, and those that were given up and revived.

use rusqlite::Connection;
use store::Place;

use super::*;

/// A store in a file that somebody else can lock.
struct Locked {
    store: Store,
    other: Connection,
    _folder: tempfile::TempDir,
}

impl Locked {
    /// With one event for the app, so that its outcome cannot be written.
    async fn with_an_event_for(app: &App) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sendgate.db");
        let place = Place::File(path.clone());
        let store = Store::open(StoreOptions { place, ..StoreOptions::default() }, now()).unwrap();
        accept(&store, "m1", Some(app.url("/"))).await;
        become_(&store, "m1", Status::Submitted, now()).await;
        let other = Connection::open(path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self { store, other, _folder: folder }
    }

    fn unlock(&self) {
        self.other.execute_batch("COMMIT").unwrap();
    }

    async fn is_settled(&self) {
        let within = Duration::from_secs(60);
        let settled = async {
            while !self.store.due_relays(Timestamp(u64::MAX), 1).await.unwrap().is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(within, settled).await.expect("events that are told in time");
    }
}

/// Long enough for several tries to write, each of which waits two seconds for the lock.
async fn while_it_cannot_be_written() {
    sleep(Duration::from_secs(7)).await;
}

#[tokio::test]
async fn what_an_app_took_is_not_told_again_while_that_cannot_be_written() {
    let mut app = App::start().await;
    let locked = Locked::with_an_event_for(&app).await;
    let (stop, tally, task) = counted_worker(&locked.store, &app);
    app.next().await;

    while_it_cannot_be_written().await;
    locked.unlock();

    locked.is_settled().await;
    assert!(app.told.is_empty(), "it was told again");
    assert_eq!(tally.shown()["taken"], 1);
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn what_an_app_did_not_take_is_told_again_once_that_is_written_and_counts_once() {
    let mut app = App::start().await;
    app.script(&[(500, None)]);
    let locked = Locked::with_an_event_for(&app).await;
    let (stop, tally, task) = counted_worker(&locked.store, &app);
    app.next().await;

    while_it_cannot_be_written().await;
    assert!(app.told.is_empty(), "it was told again before");
    assert_eq!(tally.shown()["failed"], 1);
    locked.unlock();

    app.next().await;
    locked.is_settled().await;
    assert_eq!((&tally.shown()["failed"], &tally.shown()["taken"]), (&1.into(), &1.into()));
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_worker_whose_store_cannot_be_written_ends_when_it_is_stopped() {
    let mut app = App::start().await;
    let locked = Locked::with_an_event_for(&app).await;
    let (stop, task) = next_worker(&locked.store, &app);
    app.next().await;

    while_it_cannot_be_written().await;
    stop.cancel();

    let ended = tokio::time::timeout(Duration::from_secs(20), task).await;
    ended.expect("it ends").expect("without a panic");
}

#[tokio::test]
async fn what_was_revived_after_days_is_told_for_as_long_as_a_new_event() {
    let mut app = App::start().await;
    app.script(&[(500, None), (500, None)]);
    let work = Work::start(&[&app]);
    work.message("m1", app.url("/")).await;
    let days_ago = now().before(Duration::from_secs(80 * 3_600));
    become_(&work.store, "m1", Status::Submitted, days_ago).await;
    app.next().await;
    work.dead(1).await;

    assert_eq!(work.store.revive_dead_letters("demo", now()).await, Ok(1));

    for _ in 0..2 {
        app.next().await;
    }
    work.settled().await;
    assert_eq!(work.store.dead_letters(None, 10).await, Ok(vec![]));
    work.stop().await;
}
