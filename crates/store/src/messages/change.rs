//! What happens to a message on its way.

use message::{MessageId, Settlement, Timestamp};
use rusqlite::{Connection, OptionalExtension as _};

use super::columns::{put_attempt, to_db};
use super::{Attempt, Status};
use crate::database::Fault;
use crate::{Commit, Content, Store, StoreError, events, holds};

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
    /// What becomes of its holds.
    pub settle: Settle,
    /// When Plivo is asked what became of it.
    pub next_look: Option<Timestamp>,
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
    pub(super) looked_at: bool,
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
            settle: Settle::NotYet,
            next_look: None,
        }
    }
}

impl Store {
    /// Writes down what happened to a message, and tells where it stands then.
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
                .prepare_cached("UPDATE messages SET message_uuid = ?2, updated = ?3 WHERE id = ?1")?
                .execute((&*id.0, &uuid, to_db(at)))?;
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
    let mut query = connection.prepare_cached("SELECT id FROM messages WHERE message_uuid = ?")?;
    let id = |row: &rusqlite::Row<'_>| Ok(MessageId(row.get::<_, String>(0)?.into()));
    query.query_row([uuid], id).optional()
}

/// Where a message stands; none where there is none.
pub(super) fn standing(
    connection: &Connection,
    id: &MessageId,
) -> rusqlite::Result<Option<Standing>> {
    let mut query = connection.prepare_cached(
        "SELECT app, status, relay IS NOT NULL, next_look IS NOT NULL FROM messages WHERE id = ?",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        let status: String = row.get(1)?;
        let status = Status::from_word(&status).unwrap_or(Status::Held);
        Ok(Standing { app: row.get(0)?, status, relayed: row.get(2)?, looked_at: row.get(3)? })
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
    let looked_at = !after.is_final() && (change.next_look.is_some() || before.looked_at);
    let mut update = connection.prepare_cached(
        "UPDATE messages SET status = ?2, updated = ?3, message_uuid = coalesce(?4, message_uuid), \
         error_code = coalesce(?5, error_code), next_look = CASE WHEN ?6 THEN coalesce(?7, next_look) END, live = ?8 \
         WHERE id = ?1",
    )?;
    // Of a message that a report has moved further, the report's word on why stands.
    let overtaken = change.status.is_some_and(|next| next != after);
    let code = change.error_code.as_deref().filter(|_| !overtaken);
    update.execute(rusqlite::params![
        &*id.0,
        after.as_str(),
        to_db(change.at),
        change.message_uuid,
        code,
        looked_at,
        change.next_look.map(to_db),
        after.is_open() || looked_at,
    ])?;
    if let Some(attempt) = &change.attempt {
        put_attempt(connection, &id.0, attempt)?;
    }
    if change.settle == Settle::As(Settlement::GiveBack) {
        holds::give_back(connection, id)?;
    }
    if before.status != after {
        if before.status.needs_content() && !after.needs_content() {
            content.reduce(connection, id)?;
        }
        if after.is_announced() {
            events::announce(connection, id, before, after, 0, change.at, code)?;
        }
    }
    Ok(after)
}
