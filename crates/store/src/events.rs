//! The outbox: what apps are told, in the same transaction as what happened.

use message::{MessageId, Timestamp};
use rusqlite::{Connection, Row};

use crate::messages::{Standing, Status, from_db, to_db};
use crate::{Commit, Store, StoreError};

/// Most events of one answer.
const MOST: u32 = 1_000;
const COLUMNS: &str = "number, message, app, state, sequence, at, code, tries, fault, revived";

/// Something that an app is told of one of its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Grows from event to event; the cursor of those who ask.
    pub number: u64,
    /// The message.
    pub message: MessageId,
    /// The app that it is of.
    pub app: String,
    /// Where the message came to.
    pub state: Status,
    /// Of the delivery report that said so; 0 where it was not a report.
    pub sequence: u32,
    /// When.
    pub at: Timestamp,
    /// Why, where it failed.
    pub code: Option<String>,
    /// How often the app was called.
    pub tries: u32,
    /// What went wrong at the last call.
    pub fault: Option<String>,
    /// When it was given up no longer, where it had been.
    pub revived: Option<Timestamp>,
}

/// What became of a call to an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relayed {
    /// The app has it.
    Done,
    /// It is called again at this instant.
    Again {
        /// When.
        at: Timestamp,
        /// What went wrong.
        fault: String,
    },
    /// It is not called again by itself.
    Dead {
        /// What went wrong.
        fault: String,
    },
}

impl Store {
    /// The app's events after the one with this number, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn events_after(
        &self,
        app: &str,
        number: u64,
        most: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let (app, after) = (app.to_owned(), i64::try_from(number).unwrap_or(i64::MAX));
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE app = ? AND number > ? ORDER BY number LIMIT ?"
        );
        self.events(sql, move |query| {
            query.query_map((&app, after, most.min(MOST)), event)?.collect()
        })
        .await
    }

    /// The number of the last of the app's events that are not kept any more, or 0.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn last_event_gone(&self, app: &str) -> Result<u64, StoreError> {
        let app = app.to_owned();
        let work = move |connection: &Connection| {
            let sql = "SELECT coalesce(max(number), 0) FROM dropped_events WHERE app = ?";
            Ok(connection.prepare_cached(sql)?.query_row([&app], |row| row.get::<_, i64>(0))?)
        };
        Ok(u64::try_from(self.database.read(work).await?).unwrap_or(0))
    }

    /// The events of one message, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn events_of(&self, id: &MessageId) -> Result<Vec<Event>, StoreError> {
        let id = id.clone();
        let sql = format!("SELECT {COLUMNS} FROM events WHERE message = ? ORDER BY number LIMIT ?");
        self.events(sql, move |query| query.query_map((&*id.0, MOST), event)?.collect()).await
    }

    /// Calls to apps that are due by `now`, the oldest first; of one message only the first that is still to be made.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn due_relays(&self, now: Timestamp, most: u32) -> Result<Vec<Event>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE relay = 'due' AND next_try <= ? AND NOT EXISTS \
             (SELECT 1 FROM events AS earlier WHERE earlier.message = events.message AND earlier.relay = 'due' \
             AND earlier.number < events.number) ORDER BY next_try, number LIMIT ?"
        );
        self.events(sql, move |query| {
            query.query_map((to_db(now), most.min(MOST)), event)?.collect()
        })
        .await
    }

    /// How many events apps are still to be called about, now or later.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn untold(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM events WHERE relay = 'due'";
        let count = |connection: &Connection| {
            Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0))?)
        };
        Ok(u64::try_from(self.database.list(count).await?).unwrap_or(0))
    }

    /// Calls that are not made again by themselves, newest first; of one app, where one is given.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn dead_letters(
        &self,
        app: Option<&str>,
        most: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let app = app.map(str::to_owned);
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE relay = 'dead' AND (?1 IS NULL OR app = ?1) ORDER BY number DESC \
             LIMIT ?2"
        );
        self.events(sql, move |query| query.query_map((&app, most.min(MOST)), event)?.collect())
            .await
    }

    /// Writes down what became of a call. An event that is not due any more stays as it is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub fn relayed(&self, number: u64, relayed: Relayed) -> Commit<()> {
        self.write_relayed(number, relayed, 1)
    }

    /// Writes down what becomes of an event that is due and that the app was not called about.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub fn not_called(&self, number: u64, relayed: Relayed) -> Commit<()> {
        self.write_relayed(number, relayed, 0)
    }

    fn write_relayed(&self, number: u64, relayed: Relayed, calls: u32) -> Commit<()> {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.database.write(move |connection| {
            let (state, next, fault) = match &relayed {
                Relayed::Done => ("done", None, None),
                Relayed::Again { at, fault } => ("due", Some(to_db(*at)), Some(fault)),
                Relayed::Dead { fault } => ("dead", None, Some(fault)),
            };
            let mut update = connection.prepare_cached(
                "UPDATE events SET relay = ?2, next_try = ?3, fault = ?4, tries = tries + ?5 \
                 WHERE number = ?1 AND relay = 'due'",
            )?;
            update.execute((number, state, next, fault, calls))?;
            crate::fail::point("relay.in_transaction");
            Ok(())
        })
    }

    /// Has the app called again, at once and for as long as with new ones, with what was given up, the oldest first; the
    /// number of events that this is about, at most 1,000.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub fn revive_dead_letters(&self, app: &str, now: Timestamp) -> Commit<usize> {
        let app = app.to_owned();
        self.database.write(move |connection| {
            let mut update = connection.prepare_cached(
                "UPDATE events SET relay = 'due', next_try = ?2, revived = ?2, tries = 0 WHERE number IN \
                 (SELECT number FROM events WHERE relay = 'dead' AND app = ?1 ORDER BY number LIMIT ?3)",
            )?;
            Ok(update.execute((&app, to_db(now), MOST))?)
        })
    }

    async fn events(
        &self,
        sql: String,
        mut rows: impl FnMut(&mut rusqlite::CachedStatement<'_>) -> rusqlite::Result<Vec<Event>>
        + Send
        + 'static,
    ) -> Result<Vec<Event>, StoreError> {
        self.database.list(move |connection| Ok(rows(&mut connection.prepare_cached(&sql)?)?)).await
    }
}

/// Writes the event of a message that came to `state`.
pub(crate) fn announce(
    connection: &Connection,
    id: &MessageId,
    of: &Standing,
    state: Status,
    sequence: u32,
    at: Timestamp,
    code: Option<&str>,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO events (message, app, state, sequence, at, code, relay, next_try) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let due = of.relayed.then_some(to_db(at));
    let relay = of.relayed.then_some("due");
    insert.execute((&*id.0, &of.app, state.as_str(), sequence, to_db(at), code, relay, due))?;
    Ok(())
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let (number, state): (i64, String) = (row.get(0)?, row.get(3)?);
    Ok(Event {
        number: u64::try_from(number).unwrap_or(0),
        message: MessageId(row.get::<_, String>(1)?.into()),
        app: row.get(2)?,
        state: Status::from_word(&state).unwrap_or(Status::Held),
        sequence: row.get(4)?,
        at: from_db(row.get(5)?),
        code: row.get(6)?,
        tries: row.get(7)?,
        fault: row.get(8)?,
        revived: row.get::<_, Option<i64>>(9)?.map(from_db),
    })
}

#[cfg(test)]
mod tests;
