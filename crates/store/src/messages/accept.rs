//! Making messages ours.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use message::{Hold, Timestamp};
use rusqlite::Connection;

use super::columns::{
    decisions_json, from_db, list_json, paces_json, segments_json, tags_json, to_db,
};
use super::{Record, delete};
use crate::holds::{self, SavedHold};
use crate::idempotency::{self, KeyRow};
use crate::sweep::rows_of;
use crate::{Commit, Store, StoreError};

/// Messages that ask nothing more of us, the oldest first.
const ENDED: &str = "SELECT id FROM messages WHERE live = 0 ORDER BY updated LIMIT ?";
/// Messages that Plivo has, and is only still asked about. Where they have to make room, their way ends so: sent, and
/// no report.
const AWAITED: &str = "SELECT id FROM messages WHERE live = 1 AND status IN ('submitted', 'sent') ORDER BY updated LIMIT ?";

/// A cleared message to be recorded. `Debug` does not show its text.
#[derive(Clone)]
pub struct NewMessage {
    /// Its record; what it says of the text is not looked at.
    pub record: Record,
    /// Its text, kept whole until the message has left.
    pub text: String,
    /// What policies reserved and charged for it.
    pub holds: Vec<Hold>,
}

impl fmt::Debug for NewMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewMessage")
            .field("record", &self.record)
            .field("holds", &self.holds.len())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Records messages, what they hold, and the idempotency key that they came under, all in one transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] where every record kept is of a message that Plivo may not have;
    /// [`StoreError::KeysFull`] where every key is in force; [`StoreError::Exists`] where an id is taken, [`StoreError::LowSpace`], [`StoreError::Moved`],
    /// [`StoreError::Unavailable`]. Nothing is recorded then.
    pub fn accept(&self, messages: Vec<NewMessage>, key: Option<KeyRow>) -> Commit<()> {
        if let Some(trouble) = self.database.refusal() {
            return Commit::refused(trouble);
        }
        let holds: Vec<SavedHold> = messages.iter().flat_map(|new| self.saved(new)).collect();
        let (bounds, newest_gone) = (self.bounds, Arc::clone(&self.newest_gone));
        self.write_all(move |connection| {
            if !all_new(connection, &messages)? {
                return Err(StoreError::Exists.into());
            }
            let excess = excess(connection, messages.len(), bounds.messages)?;
            let now = messages.first().map_or(Timestamp(0), |new| new.record.created);
            let key_fits = match &key {
                Some(key) => !idempotency::is_full(connection, key.most(), now)?,
                None => true,
            };
            if !key_fits {
                return Err(StoreError::KeysFull.into());
            }
            if !can_make_room(connection, excess)? {
                return Err(StoreError::Full.into());
            }
            if excess > 0 {
                let gone = make_room(connection, excess)?;
                let sql = "UPDATE made_room SET newest = max(newest, ?)";
                connection.prepare_cached(sql)?.execute([to_db(Timestamp(gone))])?;
                newest_gone.fetch_max(gone, Ordering::AcqRel);
            }
            let tells_own_ids = key.as_ref().is_some_and(KeyRow::tells_own_ids);
            for new in &messages {
                let own_id_told = tells_own_ids || new.record.own_id_told;
                insert(connection, &new.record, &new.text, own_id_told)?;
            }
            holds::insert(connection, &holds)?;
            if let Some(key) = &key {
                idempotency::insert(connection, key, messages.len(), now)?;
            }
            crate::fail::point("accept.in_transaction");
            Ok(())
        })
    }

    fn saved(&self, new: &NewMessage) -> Vec<SavedHold> {
        let memory = self.ledger.memory();
        let each = |hold: &Hold| memory.saved(hold, &new.record.id, new.record.created);
        new.holds.iter().map(each).collect()
    }
}

/// Whether no two of `messages` have one id, and none has one that is taken.
fn all_new(connection: &Connection, messages: &[NewMessage]) -> rusqlite::Result<bool> {
    let ids: HashSet<&str> = messages.iter().map(|new| &*new.record.id.0).collect();
    let mut query = connection.prepare_cached("SELECT 1 FROM messages WHERE id = ?")?;
    for id in &ids {
        if query.exists([id])? {
            return Ok(false);
        }
    }
    Ok(ids.len() == messages.len())
}

/// How many messages have to go for `more` to come.
fn excess(connection: &Connection, more: usize, most: u64) -> rusqlite::Result<i64> {
    let rows = rows_of(connection, "messages")?.saturating_add(more as u64);
    Ok(i64::try_from(rows.saturating_sub(most)).unwrap_or(i64::MAX))
}

/// Whether so many messages may go.
fn can_make_room(connection: &Connection, many: i64) -> rusqlite::Result<bool> {
    let mut left = many;
    for which in [ENDED, AWAITED] {
        if left > 0 {
            let sql = format!("SELECT count(*) FROM ({which})");
            left -=
                connection.prepare_cached(&sql)?.query_row([left], |row| row.get::<_, i64>(0))?;
        }
    }
    Ok(left <= 0)
}

/// Has so many messages go: the oldest that ask nothing more of us, then the oldest that Plivo is only asked about.
/// Returns when the newest of them was changed last, in milliseconds since 1970.
fn make_room(connection: &Connection, many: i64) -> rusqlite::Result<u64> {
    let (mut left, mut newest) = (many, 0);
    for which in [ENDED, AWAITED] {
        if left > 0 {
            let sql = format!("SELECT max(updated) FROM messages WHERE id IN ({which})");
            let changed: Option<i64> =
                connection.prepare_cached(&sql)?.query_row([left], |row| row.get(0))?;
            newest = newest.max(changed.map_or(0, |changed| from_db(changed).0));
            left -= i64::try_from(delete(connection, which, [left])?).unwrap_or(i64::MAX);
        }
    }
    Ok(newest)
}

fn insert(
    connection: &Connection,
    record: &Record,
    text: &str,
    own_id_told: bool,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO messages (id, app, door, recipient, sender_kind, sender, type, text, text_bytes, segments, \
         media_urls, media_ids, intent, tags, plivo_log, trackable, traceparent, relay, status, created, updated, \
         not_before, deadline, decisions, idempotency_key, own_id_told, plivo_dlt, paces, account) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, \
         ?24, ?25, ?26, ?27, ?28, ?29)",
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
        record.idempotency_key,
        own_id_told,
        record.plivo_dlt,
        paces_json(&record.paces),
        record.account,
    ])?;
    Ok(())
}
