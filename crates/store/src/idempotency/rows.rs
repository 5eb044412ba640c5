//! Keys as rows.

use message::{MessageId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::json;

use super::{Fingerprint, StoredAnswer};
use crate::messages::to_db;

/// A key to be bound with the messages that came under it.
#[derive(Clone, Debug)]
pub struct KeyRow {
    pub(crate) app: String,
    pub(crate) key: String,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) answer: StoredAnswer,
    pub(crate) ends: Timestamp,
}

pub(crate) fn insert(connection: &Connection, row: &KeyRow) -> rusqlite::Result<()> {
    // An older row is one that has ended: else the claim would have found it.
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO idempotency_keys (app, key, fingerprint, message, status, headers, body, ends) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let KeyRow { app, key, fingerprint, answer, ends } = row;
    insert.execute((
        app,
        key,
        fingerprint.to_json(),
        answer.message.as_ref().map(|id| &*id.0),
        answer.status,
        json!(answer.headers).to_string(),
        &answer.body,
        to_db(*ends),
    ))?;
    Ok(())
}

pub(super) fn answer(
    connection: &Connection,
    app: &str,
    key: &str,
    answer: &StoredAnswer,
) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE idempotency_keys SET status = ?3, headers = ?4, body = ?5 WHERE app = ?1 AND key = ?2",
    )?;
    update.execute((app, key, answer.status, json!(answer.headers).to_string(), &answer.body))?;
    Ok(())
}

pub(super) fn find(
    connection: &Connection,
    app: &str,
    key: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<(Fingerprint, StoredAnswer)>> {
    let mut query = connection.prepare_cached(
        "SELECT fingerprint, message, status, headers, body FROM idempotency_keys WHERE app = ? AND key = ? AND ends > ?",
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
        Ok((Fingerprint::from_json(&fingerprint).unwrap_or_default(), answer))
    });
    found.optional()
}
