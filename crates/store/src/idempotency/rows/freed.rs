//! Keys that end before their time, as the messages under them came to nothing.

use message::{MessageId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::super::locked;
use crate::expiring::name_of;
use crate::messages::to_db;
use crate::{Commit, Store, StoreError};

/// A key that ended before its time, since nothing was sent under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreedKey {
    /// The app that it is of.
    pub app: String,
    /// The key.
    pub key: String,
    /// The message that its answer was about; the first, where there were several.
    pub message: Option<MessageId>,
}

impl Store {
    /// Keys that have ended before their time, of which replicas are still to be told, and that no request is at.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn freed_keys(&self, most: u32) -> Result<Vec<FreedKey>, StoreError> {
        let freed = self.database.list(move |connection| {
            let sql = "SELECT app, key, message FROM idempotency_keys WHERE freed = 1 LIMIT ?";
            Ok(untold(connection, sql, most)?)
        });
        let mut freed = freed.await?;
        // Whoever is at it may be telling replicas something else.
        let claims = locked(&self.claims);
        freed.retain(|FreedKey { app, key, .. }| !claims.contains_key(&name_of([app, key])));
        Ok(freed)
    }

    /// Keys that a report has put in force again, of which replicas are still to be told.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn proved_keys(&self, most: u32) -> Result<Vec<FreedKey>, StoreError> {
        self.database
            .list(move |connection| {
                let sql = "SELECT app, key, message FROM idempotency_keys WHERE freed = 2 LIMIT ?";
                Ok(untold(connection, sql, most)?)
            })
            .await
    }

    /// Replicas were told of a key that is in force again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub fn told_of_proof(&self, proved: FreedKey) -> Commit<()> {
        self.told(proved, 2)
    }

    /// This key where it has ended before its time and replicas are still to be told.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn freed_key(&self, app: &str, key: &str) -> Result<Option<FreedKey>, StoreError> {
        let (own_app, own_key) = (app.to_owned(), key.to_owned());
        let message = self.database.read(move |connection| {
            let sql =
                "SELECT message FROM idempotency_keys WHERE freed = 1 AND app = ? AND key = ?";
            let mut query = connection.prepare_cached(sql)?;
            let read = |row: &Row<'_>| row.get::<_, Option<String>>(0);
            Ok(query.query_row([&own_app, &own_key], read).optional()?)
        });
        let freed = |id: Option<String>| FreedKey {
            app: app.to_owned(),
            key: key.to_owned(),
            message: id.map(|id| MessageId(id.into())),
        };
        Ok(message.await?.map(freed))
    }

    /// Replicas were told of the end of a key.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub fn told_of_end(&self, freed: FreedKey) -> Commit<()> {
        self.told(freed, 1)
    }

    fn told(&self, of: FreedKey, what: u8) -> Commit<()> {
        self.database.write(move |connection| {
            let FreedKey { app, key, message } = &of;
            let mut update = connection.prepare_cached(
                "UPDATE idempotency_keys SET freed = 0 WHERE app = ? AND key = ? AND message IS ? AND freed = ?",
            )?;
            update.execute((app, key, message.as_ref().map(|id| &*id.0), what))?;
            Ok(())
        })
    }
}

fn untold(connection: &Connection, sql: &str, most: u32) -> rusqlite::Result<Vec<FreedKey>> {
    let mut query = connection.prepare_cached(sql)?;
    let rows = query.query_map([most], |row| {
        let message: Option<String> = row.get(2)?;
        let message = message.map(|id| MessageId(id.into()));
        Ok(FreedKey { app: row.get(0)?, key: row.get(1)?, message })
    })?;
    rows.collect()
}

/// A message ended and was certainly not sent: so do the keys of which that is the last.
pub(crate) fn came_to_nothing(connection: &Connection, id: &MessageId) -> rusqlite::Result<()> {
    let sql = "UPDATE messages SET unsent = 1 WHERE id = ?";
    connection.prepare_cached(sql)?.execute([&*id.0])?;
    free(connection, id)
}

/// A message that was told as not sent was sent: its keys are in force again, until `ends`, where they are still there.
/// Replicas that were told of them are to be told.
pub(crate) fn came_to_something(
    connection: &Connection,
    id: &MessageId,
    ends: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "UPDATE messages SET unsent = 0 WHERE id = ?";
    connection.prepare_cached(sql)?.execute([&*id.0])?;
    let sql = format!(
        "UPDATE idempotency_keys SET ends = ?2, freed = 2 * shared WHERE ends < 0 AND rowid IN ({KEYS_OF}) \
         AND (SELECT number FROM messages WHERE id = ?1) >= (SELECT number FROM messages WHERE id = \
         idempotency_keys.message)"
    );
    connection.prepare_cached(&sql)?.execute((&*id.0, to_db(ends)))?;
    Ok(())
}

/// The keys whose answers are about a message, or that it came under.
const KEYS_OF: &str = "SELECT rowid FROM idempotency_keys WHERE message = ?1 UNION SELECT keys.rowid FROM messages AS own \
                       JOIN idempotency_keys AS keys ON keys.app = own.app AND keys.key = own.idempotency_key \
                       WHERE own.id = ?1";

/// Ends the keys whose answers are about a message and no other that was sent or may yet be. Those that the message came
/// under may have been used before, for others.
pub(super) fn free(connection: &Connection, id: &MessageId) -> rusqlite::Result<()> {
    let sql = format!(
        "UPDATE idempotency_keys SET ends = -ends, freed = shared WHERE covers > 0 AND ends > 0 AND rowid IN ({KEYS_OF}) \
         AND covers = (SELECT count(*) FROM messages AS each WHERE each.unsent = 1 AND \
         (each.id = idempotency_keys.message OR (each.app = idempotency_keys.app \
         AND each.idempotency_key = idempotency_keys.key \
         AND each.number >= (SELECT number FROM messages WHERE id = idempotency_keys.message))))"
    );
    connection.prepare_cached(&sql)?.execute([&*id.0])?;
    Ok(())
}
