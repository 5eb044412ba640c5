//! Making messages ours.

use message::Hold;
use rusqlite::Connection;

use super::Record;
use super::columns::{decisions_json, list_json, segments_json, tags_json, to_db};
use crate::database::Fault;
use crate::holds::{self, SavedHold};
use crate::idempotency::{self, KeyRow};
use crate::{Commit, Store, StoreError};

/// Rows that make room at once where the bound is reached.
const ROOM: u32 = 64;

/// A cleared message to be recorded.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its record; what it says of the text is not looked at.
    pub record: Record,
    /// Its text, kept whole until the message has left.
    pub text: String,
    /// What policies reserved and charged for it.
    pub holds: Vec<Hold>,
}

impl Store {
    /// Records messages, what they hold, and the idempotency key that they came under, all in one transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] where every record kept still asks something of us, [`StoreError::Exists`] where an id is taken,
    /// [`StoreError::LowSpace`], [`StoreError::Unavailable`]. Nothing is recorded then.
    pub fn accept(&self, messages: Vec<NewMessage>, key: Option<KeyRow>) -> Commit<()> {
        if let Some(StoreError::LowSpace) = self.trouble() {
            return Commit::refused(StoreError::LowSpace);
        }
        let holds: Vec<SavedHold> = messages.iter().flat_map(|new| self.saved(new)).collect();
        let crowded = self.counts.messages_would_be(messages.len()) > self.bounds.messages;
        let counts = self.counts.clone();
        self.database.write(move |connection| {
            if messages.iter().any(|new| exists(connection, new).unwrap_or(true)) {
                return Err(StoreError::Exists.into());
            }
            if crowded {
                let freed = make_room(connection)?;
                if freed == 0 {
                    return Err(StoreError::Full.into());
                }
                counts.messages_gone(freed);
            }
            for new in &messages {
                insert(connection, &new.record, &new.text)?;
            }
            holds::insert(connection, &holds)?;
            if let Some(key) = &key {
                idempotency::insert(connection, key)?;
                counts.key_added();
            }
            crate::fail::point("accept.in_transaction");
            Ok::<(), Fault>(())
        })
    }

    fn saved(&self, new: &NewMessage) -> Vec<SavedHold> {
        let Some(ledger) = &self.ledger.durable() else { return Vec::new() };
        let each = |hold: &Hold| ledger.memory().saved(hold, &new.record.id, new.record.created);
        new.holds.iter().map(each).collect()
    }
}

fn exists(connection: &Connection, new: &NewMessage) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM messages WHERE id = ?")?.exists([&*new.record.id.0])
}

fn make_room(connection: &Connection) -> rusqlite::Result<usize> {
    let oldest = "SELECT id FROM messages WHERE live = 0 ORDER BY updated LIMIT ?";
    super::list::delete(connection, oldest, [i64::from(ROOM)])
}

fn insert(connection: &Connection, record: &Record, text: &str) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO messages (id, app, door, recipient, sender_kind, sender, type, text, text_bytes, segments, \
         media_urls, media_ids, intent, tags, plivo_log, trackable, traceparent, relay, status, created, updated, \
         not_before, deadline, decisions) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)",
    )?;
    insert.execute(rusqlite::params![
        &*record.id.0,
        record.app,
        record.door,
        record.to.as_ref().map(message::E164::as_str),
        record.sender.kind(),
        record.sender.as_str(),
        record.kind.as_str(),
        text,
        i64::try_from(record.text_bytes).unwrap_or(i64::MAX),
        segments_json(&record.segments),
        list_json(record.media_urls.iter().map(message::MediaUrl::as_str)),
        list_json(record.media_ids.iter().map(String::as_str)),
        record.intent,
        tags_json(&record.tags),
        record.plivo_log,
        record.trackable,
        record.traceparent,
        record.relay,
        record.status.as_str(),
        to_db(record.created),
        to_db(record.updated),
        record.not_before.map(to_db),
        to_db(record.deadline),
        decisions_json(&record.decisions),
    ])?;
    Ok(())
}
