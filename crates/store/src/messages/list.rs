//! Looking messages up.

use message::{E164, MessageId, Settlement};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Params};

use super::columns::{COLUMNS, attempts, record};
use super::{Record, Simple, Status};
use crate::database::Fault;
use crate::{Store, StoreError, holds};

/// Messages that have not ended.
pub(super) const OPEN: &str =
    "status IN ('accepted', 'waiting', 'sending', 'retry_wait', 'in_doubt', 'held')";

/// Most records in one [`Page`].
const PAGE: usize = 100;

/// Which messages to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this app only.
    pub app: Option<String>,
    /// In this state only.
    pub status: Option<Status>,
    /// In this simple state only.
    pub simple: Option<Simple>,
    /// To this handset only.
    pub to: Option<E164>,
    /// Older than this message only: the last one of the page before.
    pub after: Option<MessageId>,
    /// At most so many; zero, and more than 100, mean 100.
    pub limit: usize,
}

/// Some messages, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// What to ask for `after` to get the next page; none where there are no more.
    pub next: Option<MessageId>,
}

/// What the rows of a list have to meet, with the values for the question marks.
#[derive(Default)]
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Store {
    /// The record with this id; of this app, where one is given.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn get(
        &self,
        app: Option<&str>,
        id: &MessageId,
    ) -> Result<Option<Record>, StoreError> {
        let (app, id) = (app.map(str::to_owned), id.0.to_string());
        let sql =
            format!("SELECT {COLUMNS} FROM messages WHERE id = ?1 AND (?2 IS NULL OR app = ?2)");
        self.database.read(move |connection| found(connection, &sql, (&id, &app))).await
    }

    /// The record with this id, for a call to its app: one that made room is there until its app has been told, without
    /// its text.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn to_be_told(&self, id: &MessageId) -> Result<Option<Record>, StoreError> {
        let id = id.0.to_string();
        let sql = format!(
            "SELECT {COLUMNS} FROM messages WHERE id = ?1 UNION ALL SELECT {COLUMNS} FROM departed WHERE id = ?1"
        );
        self.database.read(move |connection| found(connection, &sql, [&id])).await
    }

    /// The record by our id or by any of Plivo's, in either case; of this app, where one is given.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn find(&self, app: Option<&str>, id: &str) -> Result<Option<Record>, StoreError> {
        if let Some(found) = self.get(app, &MessageId::named(id)).await? {
            return Ok(Some(found));
        }
        for uuid in [id.to_owned(), id.to_ascii_lowercase()] {
            if let Some(owner) = self.owner_of(&uuid).await? {
                return self.get(app, &owner).await;
            }
        }
        Ok(None)
    }

    /// The messages that pass `filter`, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] where `filter.after` names no record of the app, and does not say by itself what is older;
    /// [`StoreError::Unavailable`].
    pub async fn list(&self, filter: &Filter) -> Result<Page, StoreError> {
        let (filter, content) = (filter.clone(), self.content.clone());
        self.database
            .list(move |connection| {
                let hash = filter.to.as_ref().map(|to| content.number_hash(to.as_str()));
                page(connection, &filter, hash)
            })
            .await
    }
}

fn found(connection: &Connection, sql: &str, params: impl Params) -> Result<Option<Record>, Fault> {
    let found = connection.prepare_cached(sql)?.query_row(params, record).optional()?;
    Ok(found.map(|found| with_attempts(connection, found)).transpose()?)
}

impl Conditions {
    fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.extend(values);
    }

    /// The newest rows that meet all of them, without their attempts.
    fn newest(mut self, connection: &Connection, limit: usize) -> rusqlite::Result<Vec<Record>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM messages WHERE true{} ORDER BY number DESC LIMIT ?",
            self.sql
        );
        self.values.push(Value::from(i64::try_from(limit).unwrap_or(i64::MAX)));
        let mut query = connection.prepare_cached(&sql)?;
        let rows = query.query_map(rusqlite::params_from_iter(self.values), record)?;
        rows.collect()
    }
}

/// Deletes the messages whose ids `which` selects, and all that belongs to them but their events and charges, which
/// have a time of their own. What apps are still to be told of them is kept until they are.
pub(crate) fn delete(
    connection: &Connection,
    which: &str,
    params: impl Params,
) -> rusqlite::Result<usize> {
    let ids: Vec<String> = connection
        .prepare_cached(which)?
        .query_map(params, |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &ids {
        // Some were ended by a report to a process that died before it settled them.
        holds::settle(connection, &MessageId(id.as_str().into()), Settlement::Keep)?;
        let sql = "INSERT INTO departed SELECT * FROM messages WHERE id = ?1 AND EXISTS \
                   (SELECT 1 FROM events WHERE message = ?1 AND relay IN ('due', 'dead'))";
        // Its calls are told with its events.
        let rest = match connection.prepare_cached(sql)?.execute([id])? {
            0 => "DELETE FROM attempts WHERE message = ?",
            _ => "UPDATE departed SET text = NULL WHERE id = ?",
        };
        for sql in [
            rest,
            "DELETE FROM other_uuids WHERE message = ?",
            "DELETE FROM reports WHERE message = ?",
            "DELETE FROM messages WHERE id = ?",
        ] {
            connection.prepare_cached(sql)?.execute([id])?;
        }
    }
    Ok(ids.len())
}

pub(super) fn with_attempts(
    connection: &Connection,
    mut record: Record,
) -> rusqlite::Result<Record> {
    record.attempts = attempts(connection, &record.id.0)?;
    Ok(record)
}

fn page(connection: &Connection, filter: &Filter, to_hash: Option<String>) -> Result<Page, Fault> {
    let mut which = Conditions::default();
    if let Some(app) = &filter.app {
        which.and("app = ?", [app.clone().into()]);
    }
    if let Some(status) = filter.status {
        which.and("status = ?", [Value::from(status.as_str().to_owned())]);
        if status.is_open() {
            // In the words of the index `messages_open`, or all messages would be read to find few.
            which.and(OPEN, []);
        }
    }
    if let Some(simple) = filter.simple {
        which.and("status IN (SELECT value FROM json_each(?))", [statuses(simple)]);
    }
    if let (Some(to), Some(hash)) = (&filter.to, to_hash) {
        which.and(
            "(recipient = ? OR recipient_hash = ?)",
            [to.as_str().to_owned().into(), hash.into()],
        );
    }
    if let Some(after) = &filter.after {
        which.and("number < ?", [number(connection, after, filter.app.as_deref())?.into()]);
    }
    let limit = if (1..=PAGE).contains(&filter.limit) { filter.limit } else { PAGE };
    let mut records = which.newest(connection, limit + 1)?;
    let more = records.len() > limit;
    records.truncate(limit);
    let records: Vec<Record> = records
        .into_iter()
        .map(|each| with_attempts(connection, each))
        .collect::<Result<_, _>>()?;
    let next = records.last().filter(|_| more).map(|last| last.id.clone());
    Ok(Page { records, next })
}

/// Every status that is this simple one, as a JSON array.
fn statuses(simple: Simple) -> Value {
    let all = Status::ALL.into_iter().filter(|status| status.simple() == simple);
    serde_json::json!(all.map(Status::as_str).collect::<Vec<_>>()).to_string().into()
}

fn number(connection: &Connection, id: &MessageId, app: Option<&str>) -> Result<i64, Fault> {
    let mut query = connection
        .prepare_cached("SELECT number FROM messages WHERE id = ?1 AND (?2 IS NULL OR app = ?2)")?;
    let found = query.query_row((&*id.0, app), |row| row.get(0)).optional()?;
    if let Some(number) = found {
        return Ok(number);
    }
    if !id.grows_with_time() {
        return Err(StoreError::NotFound.into());
    }
    // It has made room for another one since: what is older by its id is what is left.
    let mut older = connection
        .prepare_cached("SELECT number + 1 FROM messages WHERE id < ? ORDER BY id DESC LIMIT 1")?;
    Ok(older.query_row([&*id.0], |row| row.get(0)).optional()?.unwrap_or(0))
}
