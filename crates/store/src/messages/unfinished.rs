//! What a process that ended left behind.

use message::{Dedup, Hold, Message};
use rusqlite::Connection;

use super::Record;
use super::columns::{COLUMNS, record};
use super::list::with_attempts;
use crate::database::Fault;
use crate::{Store, StoreError, holds};

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

    /// The same of one message; none where its way has ended.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn unfinished_one(
        &self,
        id: &message::MessageId,
    ) -> Result<Option<Unfinished>, StoreError> {
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
