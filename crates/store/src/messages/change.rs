//! What happens to a message on its way.

use message::{MessageId, Settlement, Timestamp};
use rusqlite::{Connection, OptionalExtension as _};

use super::columns::{give_up, put_attempt, to_db};
use super::report::is_inferred;
use super::{Attempt, Status};
use crate::database::Fault;
use crate::{Commit, Content, Store, StoreError, events, holds, idempotency};

/// Something that happened to a message. What is not given stays as it is.
#[derive(Clone, Debug)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// Where it is now. A message that a report has moved further stays there.
    pub status: Option<Status>,
    /// Plivo's id of it.
    pub message_uuid: Option<String>,
    /// Stable code of why it failed, or waits.
    pub error_code: Option<String>,
    /// A call that began or ended.
    pub attempt: Option<Attempt>,
    /// The number of a call after which it is sent on its way again, although that call may have sent it.
    pub given_up: Option<u32>,
    /// What becomes of its holds.
    pub settle: Settle,
    /// Further ids that Plivo gave it; there should be none.
    pub extra_uuids: Vec<String>,
    /// When Plivo is asked what became of it.
    pub next_look: Option<Timestamp>,
    /// When it is tried again. Forgotten with the next status, unless that tells it again.
    pub next_try: Option<Timestamp>,
}

/// What becomes of a message's holds. The ledger itself is told apart from this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Settle {
    /// They stay open.
    #[default]
    NotYet,
    /// They end so.
    As(Settlement),
}

/// What a change is decided by.
pub(crate) struct Standing {
    pub(crate) app: String,
    pub(super) status: Status,
    pub(crate) relayed: bool,
}

impl Change {
    /// A change that only moves the message to `status`.
    pub fn to(status: Status, at: Timestamp) -> Self {
        Self { status: Some(status), ..Self::at(at) }
    }

    /// A change of nothing yet.
    pub fn at(at: Timestamp) -> Self {
        Self {
            at,
            status: None,
            message_uuid: None,
            error_code: None,
            attempt: None,
            given_up: None,
            settle: Settle::NotYet,
            extra_uuids: Vec::new(),
            next_look: None,
            next_try: None,
        }
    }
}

impl Store {
    /// Writes down what happened to a message, and tells where it stands then. With the last message of a key that ends
    /// with its holds given back, the key is free again: nothing was sent under it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`].
    pub fn change(&self, id: &MessageId, change: Change) -> Commit<Status> {
        let (id, content) = (id.clone(), self.content.clone());
        self.database.write(move |connection| {
            let standing = standing(connection, &id)?.ok_or(StoreError::NotFound)?;
            apply(connection, &id, &standing, &change, &content)
        })
    }
}

impl Store {
    /// The app was answered our id of a message in the place of Plivo's.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub fn told_own_id(&self, id: &MessageId) -> Commit<()> {
        let id = id.clone();
        self.database.write(move |connection| {
            let sql = "UPDATE messages SET own_id_told = 1 WHERE id = ?";
            connection.prepare_cached(sql)?.execute([&*id.0])?;
            Ok(())
        })
    }

    /// Takes Plivo's id for a message in doubt, unless another message has it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Exists`] where another has it, [`StoreError::Unavailable`].
    pub fn adopt(&self, id: &MessageId, uuid: &str, at: Timestamp) -> Commit<()> {
        let (id, uuid) = (id.clone(), uuid.to_owned());
        self.database.write(move |connection| {
            if owner_of(connection, &uuid)?.is_some_and(|owner| owner != id) {
                return Err(StoreError::Exists.into());
            }
            connection
                .prepare_cached(
                    "UPDATE messages SET message_uuid = ?2, updated = ?3 WHERE id = ?1",
                )?
                .execute((&*id.0, &uuid, to_db(at)))?;
            crate::fail::point("adopt.in_transaction");
            Ok(())
        })
    }

    /// The message that Plivo knows by this id, whosever it is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn owner_of(&self, uuid: &str) -> Result<Option<MessageId>, StoreError> {
        let uuid = uuid.to_owned();
        self.database.read(move |connection| Ok(owner_of(connection, &uuid)?)).await
    }
}

fn owner_of(connection: &Connection, uuid: &str) -> rusqlite::Result<Option<MessageId>> {
    let mut query = connection.prepare_cached(
        "SELECT id FROM messages WHERE message_uuid = ?1 \
         UNION ALL SELECT message FROM other_uuids WHERE uuid = ?1",
    )?;
    let id = |row: &rusqlite::Row<'_>| Ok(MessageId(row.get::<_, String>(0)?.into()));
    query.query_row([uuid], id).optional()
}

/// Where a message stands; none where there is none.
pub(super) fn standing(
    connection: &Connection,
    id: &MessageId,
) -> rusqlite::Result<Option<Standing>> {
    let mut query = connection
        .prepare_cached("SELECT app, status, relay IS NOT NULL FROM messages WHERE id = ?")?;
    let read = |row: &rusqlite::Row<'_>| {
        let status: String = row.get(1)?;
        let status = Status::from_word(&status).unwrap_or(Status::Held);
        Ok(Standing { app: row.get(0)?, status, relayed: row.get(2)? })
    };
    query.query_row([&*id.0], read).optional()
}

fn apply(
    connection: &Connection,
    id: &MessageId,
    before: &Standing,
    change: &Change,
    content: &Content,
) -> Result<Status, Fault> {
    let after = change.status.map_or(before.status, |next| before.status.after(next));
    // Of a message that a report has moved further, or ended in our own word, the report's word on why stands.
    let overtaken = match change.status {
        Some(next) if next != after => true,
        Some(next) => {
            before.status == next && next.is_final() && !is_inferred(connection, id, next)?
        }
        None => false,
    };
    let code = change.error_code.as_deref().filter(|_| !overtaken);
    // Why it stood elsewhere before is of no interest where it stands now.
    let afresh = change.status.is_some() && !overtaken;
    if let Some(uuid) = &change.message_uuid {
        keep_both_uuids(connection, id, uuid, overtaken)?;
    }
    let mut update = connection.prepare_cached(
        "UPDATE messages SET status = ?2, updated = ?3, \
         message_uuid = CASE WHEN ?9 THEN coalesce(message_uuid, ?4) ELSE coalesce(?4, message_uuid) END, \
         error_code = CASE WHEN ?6 THEN ?5 ELSE coalesce(?5, error_code) END, \
         next_look = CASE WHEN ?10 THEN NULL ELSE coalesce(?7, next_look) END, \
         next_try = CASE WHEN ?6 THEN ?8 ELSE coalesce(?8, next_try) END, \
         live = ?11 OR (NOT ?10 AND coalesce(?7, next_look) IS NOT NULL) WHERE id = ?1",
    )?;
    update.execute(rusqlite::params![
        &*id.0,
        after.as_str(),
        to_db(change.at),
        change.message_uuid,
        code,
        afresh,
        change.next_look.map(to_db),
        change.next_try.map(to_db),
        overtaken,
        after.is_final(),
        after.is_open(),
    ])?;
    for uuid in &change.extra_uuids {
        let sql = "INSERT OR IGNORE INTO other_uuids (uuid, message) VALUES (?, ?)";
        connection.prepare_cached(sql)?.execute([uuid.as_str(), &*id.0])?;
    }
    if let Some(attempt) = &change.attempt {
        put_attempt(connection, &id.0, attempt)?;
    }
    if let Some(number) = change.given_up.filter(|_| !overtaken) {
        give_up(connection, &id.0, number, change.at)?;
    }
    // What a report has proved to be at Plivo is not given back.
    let settle = match change.settle {
        Settle::As(_) if overtaken => Settle::As(Settlement::Keep),
        as_told => as_told,
    };
    if let Settle::As(settlement) = settle {
        holds::settle(connection, id, settlement)?;
    }
    reduce(connection, id, (before.status, after), content)?;
    // What a person took back is not sent because its app asks again.
    let taken_back = code == Some("send.canceled");
    if settle == Settle::As(Settlement::GiveBack) && after.is_final() && !taken_back {
        idempotency::came_to_nothing(connection, id)?;
    }
    if before.status != after && after.is_announced() {
        events::announce(connection, id, before, after, 0, change.at, code)?;
    }
    Ok(after)
}

/// A report on an earlier call may have named another id than this one: Plivo has the message twice, and both are its own.
/// The record has the one of which its state tells, which is a report's that has `overtaken` this call.
fn keep_both_uuids(
    connection: &Connection,
    id: &MessageId,
    uuid: &str,
    overtaken: bool,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO other_uuids (uuid, message) \
               SELECT CASE WHEN ?3 THEN ?2 ELSE message_uuid END, id FROM messages \
               WHERE id = ?1 AND message_uuid <> ?2";
    if connection.prepare_cached(sql)?.execute((&*id.0, uuid, overtaken))? > 0 {
        tracing::error!(message.id = %id, "Plivo has a message under two ids: it was sent twice");
    }
    Ok(())
}

/// What follows from where a message came from and where it is now: whether Plivo is still asked about it, whether
/// anything is still asked of us, and what of it is still kept.
pub(super) fn moved(
    connection: &Connection,
    id: &MessageId,
    (before, after): (Status, Status),
    content: &Content,
) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE messages SET next_look = CASE WHEN ?2 THEN NULL ELSE next_look END, \
         live = ?3 OR (NOT ?2 AND next_look IS NOT NULL) WHERE id = ?1",
    )?;
    update.execute((&*id.0, after.is_final(), after.is_open()))?;
    reduce(connection, id, (before, after), content)
}

/// Keeps no more of what a message says than the operator wants, once it is not needed any more.
fn reduce(
    connection: &Connection,
    id: &MessageId,
    (before, after): (Status, Status),
    content: &Content,
) -> rusqlite::Result<()> {
    if before.needs_content() && !after.needs_content() {
        content.reduce(connection, id)?;
    }
    Ok(())
}
