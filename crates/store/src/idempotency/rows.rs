//! Keys as rows.

mod freed;

use std::sync::Arc;

use message::{MessageId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::json;

pub use self::freed::FreedKey;
use self::freed::free;
pub(crate) use self::freed::{came_to_nothing, came_to_something};
use super::{ClaimGuard, Fingerprint, Held, StoredAnswer};
use crate::messages::{from_db, to_db};
use crate::sweep::rows_of;
use crate::{Commit, Store, StoreError};

/// A key to be bound with the messages that came under it. Nobody else can claim the key for as long as there is one,
/// so that a request that hangs up while it is being accepted cannot be overtaken by its own repetition.
#[derive(Clone, Debug)]
pub struct KeyRow {
    pub(super) held: Arc<Held>,
    pub(super) answer: StoredAnswer,
    pub(super) ends: Timestamp,
    pub(super) tells_own_ids: bool,
    pub(super) is_about_others: bool,
    pub(super) shared: bool,
}

impl KeyRow {
    /// The answer names the messages by our ids, since Plivo's are not known yet. Whoever is told this very answer
    /// after a crash knows them by no other, so they are recorded as such.
    #[must_use]
    pub fn telling_own_ids(self) -> Self {
        Self { tells_own_ids: true, ..self }
    }

    /// The answer is about messages too that were accepted before, under other keys or none. So the key stays, whatever
    /// becomes of its own.
    #[must_use]
    pub fn about_others_too(self) -> Self {
        Self { is_about_others: true, ..self }
    }

    /// Replicas are told of the key, and so of its end where it ends before its time.
    #[must_use]
    pub fn among_replicas(self) -> Self {
        Self { shared: true, ..self }
    }

    /// Most keys among which it has a place.
    pub(crate) fn most(&self) -> u64 {
        self.held.most
    }

    /// Whether the answer names the messages by our ids.
    pub(crate) fn tells_own_ids(&self) -> bool {
        self.tells_own_ids
    }

    /// The answer that the key is bound with.
    pub fn answer(&self) -> &StoredAnswer {
        &self.answer
    }

    /// Until when it is kept.
    pub fn ends(&self) -> Timestamp {
        self.ends
    }
}

/// What is kept under a key.
#[derive(Clone, Debug)]
pub struct KeptAnswer {
    /// Of the request that brought the key first.
    pub fingerprint: Fingerprint,
    /// What it was answered.
    pub answer: StoredAnswer,
    /// Until when.
    pub ends: Timestamp,
    /// Replicas have agreed that it is this one's, as [`Store::confirmed`] was told.
    pub confirmed: bool,
}

impl Store {
    /// Binds a key under which nothing new is recorded: another message stands for what was asked. Where that one came
    /// to nothing meanwhile the key stays free.
    ///
    /// # Errors
    ///
    /// [`StoreError::KeysFull`] where every key is in force; [`StoreError::LowSpace`], [`StoreError::Moved`],
    /// [`StoreError::Unavailable`]. The key is not bound then.
    pub fn bind(&self, key: KeyRow, now: Timestamp) -> Commit<()> {
        if let Some(trouble) = self.database.refusal() {
            return Commit::refused(trouble);
        }
        self.database.write(move |connection| {
            if is_full(connection, key.most(), now)? {
                return Err(StoreError::KeysFull.into());
            }
            insert(connection, &key, 1, now)?;
            if let Some(message) = &key.answer.message {
                free(connection, message)?;
            }
            Ok(())
        })
    }

    /// Replicas have agreed that a key stands for what it is bound to here, which is about `message`: whoever takes its
    /// messages up after a restart need not ask them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub fn confirmed(&self, app: &str, key: &str, message: Option<&MessageId>) -> Commit<()> {
        let (app, key, message) = (app.to_owned(), key.to_owned(), message.cloned());
        self.database.write(move |connection| {
            let sql = "UPDATE idempotency_keys SET confirmed = 1 WHERE app = ? AND key = ? AND message IS ?";
            let message = message.as_ref().map(|id| &*id.0);
            connection.prepare_cached(sql)?.execute((&app, &key, message))?;
            Ok(())
        })
    }

    /// [`Store::answered`], where the answer tells Plivo's ids of `messages`: from then on they go by these. Where it is
    /// that nothing was sent, and for good, it is kept `until` then, though the key had ended with its messages. It may
    /// be asked for again; the claim lasts for as long as `guard` too.
    ///
    /// # Errors
    ///
    /// As [`Store::answered`].
    pub fn answered_by_plivos_ids(
        &self,
        guard: &ClaimGuard,
        answer: StoredAnswer,
        until: Option<Timestamp>,
        messages: Vec<MessageId>,
    ) -> Commit<()> {
        if let Err(invalid) = answer.check() {
            return Commit::refused(invalid);
        }
        let held = Arc::clone(&guard.0);
        self.database.write(move |connection| {
            self::answer(connection, &held.app, &held.key, &answer, until)?;
            for id in &messages {
                told_plivos_id(connection, id)?;
            }
            crate::fail::point("key.in_transaction");
            Ok(())
        })
    }
}

/// Whether the bound on keys is reached by keys that are all in force.
pub(crate) fn is_full(
    connection: &Connection,
    most: u64,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    if rows_of(connection, "idempotency_keys")? < most {
        return Ok(false);
    }
    let mut ended = connection.prepare_cached("SELECT 1 FROM idempotency_keys WHERE ends <= ?")?;
    Ok(!ended.exists([to_db(now)])?)
}

/// When the first of the keys ends that are in force at `now`.
pub(super) fn next_end(
    connection: &Connection,
    now: Timestamp,
) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT min(ends) FROM idempotency_keys WHERE ends > ?";
    let mut first = connection.prepare_cached(sql)?;
    first.query_row([to_db(now)], |row| Ok(row.get::<_, Option<i64>>(0)?.map(from_db)))
}

/// Binds a key to an answer about so many messages. Where the bound is reached, one that has ended makes room.
pub(crate) fn insert(
    connection: &Connection,
    row: &KeyRow,
    messages: usize,
    now: Timestamp,
) -> rusqlite::Result<()> {
    if rows_of(connection, "idempotency_keys")? >= row.most() {
        let mut delete = connection.prepare_cached(
            "DELETE FROM idempotency_keys WHERE rowid IN \
             (SELECT rowid FROM idempotency_keys WHERE ends <= ? ORDER BY ends LIMIT 1)",
        )?;
        delete.execute([to_db(now)])?;
    }
    // An older row is one that has ended: else the claim would have found it.
    let mut insert = connection.prepare_cached(
        "INSERT INTO idempotency_keys (app, key, fingerprint, message, status, headers, body, ends, covers, shared) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (app, key) DO UPDATE SET \
         fingerprint = excluded.fingerprint, message = excluded.message, status = excluded.status, \
         headers = excluded.headers, body = excluded.body, ends = excluded.ends, covers = excluded.covers, \
         shared = excluded.shared, freed = 0, confirmed = 0",
    )?;
    let KeyRow { held, answer, ends, .. } = row;
    insert.execute((
        &held.app,
        &held.key,
        held.fingerprint.to_json(),
        answer.message.as_ref().map(|id| &*id.0),
        answer.status,
        json!(answer.headers).to_string(),
        &answer.body,
        to_db(*ends),
        if row.is_about_others { 0 } else { i64::try_from(messages).unwrap_or(0) },
        row.shared,
    ))?;
    Ok(())
}

pub(super) fn answer(
    connection: &Connection,
    app: &str,
    key: &str,
    answer: &StoredAnswer,
    until: Option<Timestamp>,
) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE idempotency_keys SET status = ?3, headers = ?4, body = ?5, ends = coalesce(?6, ends), \
         freed = CASE WHEN ?6 IS NULL THEN freed ELSE 0 END WHERE app = ?1 AND key = ?2",
    )?;
    let headers = json!(answer.headers).to_string();
    update.execute((app, key, answer.status, headers, &answer.body, until.map(to_db)))?;
    Ok(())
}

/// The app was answered Plivo's id of a message.
fn told_plivos_id(connection: &Connection, id: &MessageId) -> rusqlite::Result<()> {
    let sql = "UPDATE messages SET own_id_told = 0 WHERE id = ?";
    connection.prepare_cached(sql)?.execute([&*id.0])?;
    Ok(())
}

pub(super) fn delete(
    connection: &Connection,
    app: &str,
    key: &str,
    message: Option<&MessageId>,
) -> rusqlite::Result<()> {
    let sql = "DELETE FROM idempotency_keys WHERE app = ? AND key = ? AND message IS ?";
    connection.prepare_cached(sql)?.execute((app, key, message.map(|id| &*id.0)))?;
    Ok(())
}

/// As where its messages came to nothing ([`freed`]). Replicas, where there are any, are told apart.
pub(super) fn end(
    connection: &Connection,
    app: &str,
    key: &str,
    message: Option<&MessageId>,
) -> rusqlite::Result<()> {
    let sql = "UPDATE idempotency_keys SET ends = -abs(ends), freed = 0 WHERE app = ? AND key = ? AND message IS ?";
    connection.prepare_cached(sql)?.execute((app, key, message.map(|id| &*id.0)))?;
    Ok(())
}

pub(super) fn find(
    connection: &Connection,
    app: &str,
    key: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<KeptAnswer>> {
    let mut query = connection.prepare_cached(
        "SELECT fingerprint, message, status, headers, body, ends, confirmed FROM idempotency_keys WHERE app = ? AND key = ? AND \
         ends > ?",
    )?;
    let found = query.query_row((app, key, to_db(now)), |row| {
        let (fingerprint, headers): (String, String) = (row.get(0)?, row.get(3)?);
        let message: Option<String> = row.get(1)?;
        let answer = StoredAnswer {
            status: row.get(2)?,
            headers: serde_json::from_str(&headers).unwrap_or_default(),
            body: row.get(4)?,
            message: message.map(|id| MessageId(id.into())),
        };
        let fingerprint = Fingerprint::from_json(&fingerprint).unwrap_or_default();
        Ok(KeptAnswer { fingerprint, answer, ends: from_db(row.get(5)?), confirmed: row.get(6)? })
    });
    found.optional()
}
