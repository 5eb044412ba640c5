//! What a process that ended left behind.

use std::time::Duration;

use message::{Dedup, Hold, Message, MessageId, Timestamp};
use rusqlite::Connection;

use super::columns::{COLUMNS, from_db, record, to_db};
use super::list::with_attempts;
use super::{AttemptOutcome, Record};
use crate::database::Fault;
use crate::{Commit, Store, StoreError, holds};

/// How long what was given up may be taken for another message: one whose call began while it may yet have come to
/// Plivo's list, within the latest settle time that may be configured, is in doubt for the longest call and four such
/// times.
pub const LONGEST_DOUBT: Duration = Duration::from_secs(6 * 3_600);

/// A message that was accepted and whose way to Plivo has not ended.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// Its record. In `sending`, or `in_doubt`: whether Plivo has it is not known.
    pub record: Record,
    /// The message as it was cleared.
    pub message: Message,
    /// What is held for it.
    pub holds: Vec<Hold>,
}

/// A call of which nobody found out whether Plivo took its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The message.
    pub message: MessageId,
    /// The mark of the account that was called; empty where that was not written down.
    pub account: String,
    /// The [mark](Store::mark_of) of the number that it went to.
    pub mark: String,
    /// When it began, by Plivo's clock where that is known.
    pub began: Timestamp,
}

impl Store {
    /// Every message whose way has not ended, in the order of acceptance.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        self.database.list(|connection| all(connection, None)).await
    }

    /// The calls since `since` that were given up in doubt: of messages that went on their way again all the same, and
    /// the last ones of those that ended so.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn given_up_in_doubt(&self, since: Timestamp) -> Result<Vec<GivenUp>, StoreError> {
        let content = self.content.clone();
        self.database
            .list(move |connection| {
                let mut query = connection.prepare_cached(
                    "SELECT m.id, m.recipient, m.recipient_hash, a.account, coalesce(a.plivo_time, a.started) \
                     FROM attempts a JOIN messages m ON m.id = a.message WHERE a.given_up >= ?1 \
                     UNION ALL \
                     SELECT m.id, m.recipient, m.recipient_hash, a.account, coalesce(a.plivo_time, a.started) \
                     FROM messages m JOIN attempts a ON a.message = m.id \
                     AND a.number = (SELECT max(number) FROM attempts WHERE message = m.id) \
                     WHERE m.live = 0 AND m.updated >= ?1 AND m.status IN ('failed', 'canceled') \
                     AND m.error_code IN ('send.unresolved', 'send.canceled_in_doubt') AND a.given_up IS NULL",
                )?;
                let rows = query.query_map([to_db(since)], |row| {
                    let (number, hash): (Option<String>, _) = (row.get(1)?, row.get(2)?);
                    let Some(mark) = number.map(|number| content.number_hash(&number)).or(hash)
                    else {
                        return Ok(None);
                    };
                    Ok(Some(GivenUp {
                        message: MessageId(row.get::<_, String>(0)?.into()),
                        account: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
                        mark,
                        began: from_db(row.get(4)?),
                    }))
                })?;
                Ok(rows.filter_map(Result::transpose).collect::<Result<_, _>>()?)
            })
            .await
    }

    /// When the latest call to Plivo began that is on record; none without one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn latest_call(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT max(started) FROM attempts";
        let read = |connection: &Connection| {
            Ok(connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0))?)
        };
        Ok(self.database.list(read).await?.map(from_db))
    }

    /// Ends every call that has not ended, in doubt and with this code: no process is there any more that would say what
    /// came of it. Returns how many.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub fn end_calls(&self, code: &'static str, now: Timestamp) -> Commit<usize> {
        self.database.write(move |connection| {
            let sql = "UPDATE attempts SET ended = ?, outcome = ?, code = ? WHERE ended IS NULL";
            let outcome = AttemptOutcome::InDoubt.as_str();
            Ok(connection.execute(sql, (to_db(now), outcome, code))?)
        })
    }

    /// Messages that are held and were not worth sending any more before `now`; at most a hundred.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn held_too_long(&self, now: Timestamp) -> Result<Vec<MessageId>, StoreError> {
        self.database
            .list(move |connection| {
                let mut query = connection.prepare_cached(
                    "SELECT id FROM messages WHERE status = 'held' AND deadline < ? ORDER BY number LIMIT 100",
                )?;
                let ids = query.query_map([to_db(now)], |row| row.get::<_, String>(0))?;
                Ok(ids.map(|id| id.map(|id| MessageId(id.into()))).collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The same as [`Store::unfinished`] of one message; none where its way has ended.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn unfinished_one(&self, id: &MessageId) -> Result<Option<Unfinished>, StoreError> {
        let id = id.0.to_string();
        self.database.read(move |connection| Ok(all(connection, Some(&id))?.pop())).await
    }
}

fn all(connection: &Connection, id: Option<&str>) -> Result<Vec<Unfinished>, Fault> {
    let sql = format!(
        "SELECT {COLUMNS} FROM messages \
         WHERE status IN ('accepted', 'waiting', 'sending', 'retry_wait', 'in_doubt', 'held') AND (?1 IS NULL OR id = ?1) \
         ORDER BY number"
    );
    let mut query = connection.prepare(&sql)?;
    let mut found = Vec::new();
    for record in query.query_map([id], record)? {
        let record = with_attempts(connection, record?)?;
        let Some(to) = record.to.clone() else {
            tracing::error!(message.id = %record.id, "a message without its recipient cannot be sent; cancel it");
            continue;
        };
        let message = Message {
            id: record.id.clone(),
            to,
            sender: record.sender.clone(),
            text: record.text.clone().unwrap_or_default(),
            media_urls: record.media_urls.clone(),
            media_ids: record.media_ids.clone(),
            intent: record.intent.clone(),
            ttl_s: None,
            not_before: record.not_before,
            callback_url: None,
            dedup: Dedup::Content,
            tags: record.tags.clone(),
        };
        let holds = holds::of(connection, &record.id)?;
        found.push(Unfinished { record, message, holds });
    }
    Ok(found)
}

/// Forgets the marks of numbers that are kept for [`Store::given_up_in_doubt`] alone and no longer of interest.
pub(crate) fn forget_marks(
    connection: &Connection,
    now: Timestamp,
    most: u32,
) -> rusqlite::Result<usize> {
    let sql = "UPDATE messages SET recipient_hash = NULL WHERE number IN (SELECT number FROM messages \
               WHERE live = 0 AND recipient_hash IS NOT NULL AND updated < ? LIMIT ?)";
    connection.prepare_cached(sql)?.execute((to_db(now.before(LONGEST_DOUBT)), most))
}
