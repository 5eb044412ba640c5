//! What a process that ended left behind.

use std::time::Duration;

use message::{Dedup, Hold, Message, MessageId, Timestamp};
use rusqlite::Connection;

use super::columns::{COLUMNS, from_db, record, to_db};
use super::list::with_attempts;
use super::{AttemptOutcome, Record};
use crate::database::Fault;
use crate::{Commit, Store, StoreError, holds};

/// The longest that a message can be in doubt: four times the latest settle time that may be configured. What was given
/// up is of no interest to anybody after that.
pub const LONGEST_DOUBT: Duration = Duration::from_secs(4 * 3_600);

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

impl Store {
    /// Every message whose way has not ended, in the order of acceptance.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        self.database.list(|connection| all(connection, None)).await
    }

    /// The numbers that messages went to which were given up in doubt since `since`, each as its
    /// [mark](Store::mark_of), after the mark of the account that was called last; and when that call began, by Plivo's
    /// clock where that is known.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn given_up_in_doubt(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(String, String, Timestamp)>, StoreError> {
        let content = self.content.clone();
        self.database
            .list(move |connection| {
                let mut query = connection.prepare_cached(
                    "SELECT recipient, recipient_hash, \
                     (SELECT max(coalesce(plivo_time, started)) FROM attempts WHERE message = messages.id), \
                     (SELECT account FROM attempts WHERE message = messages.id ORDER BY number DESC LIMIT 1) FROM messages \
                     WHERE live = 0 AND updated >= ? AND status IN ('failed', 'canceled') \
                     AND error_code IN ('send.unresolved', 'send.canceled_in_doubt')",
                )?;
                let rows = query.query_map([to_db(since)], |row| {
                    let (number, hash): (Option<String>, _) = (row.get(0)?, row.get(1)?);
                    let mark = number.map(|number| content.number_hash(&number)).or(hash);
                    let account: Option<String> = row.get(3)?;
                    Ok((account.unwrap_or_default(), mark, row.get::<_, Option<i64>>(2)?))
                })?;
                let mut found = Vec::new();
                for row in rows {
                    let (account, mark, began): (_, Option<String>, _) = row?;
                    let known = mark.zip(began.map(from_db));
                    found.extend(known.map(|(mark, began)| (account, mark, began)));
                }
                Ok(found)
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
               WHERE live = 0 AND error_code IN ('send.unresolved', 'send.canceled_in_doubt') AND updated < ? \
               AND recipient_hash IS NOT NULL LIMIT ?)";
    connection.prepare_cached(sql)?.execute((to_db(now.before(LONGEST_DOUBT)), most))
}
