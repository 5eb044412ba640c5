//! Looking messages up.

use message::{E164, MessageId};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Params};

use super::columns::{COLUMNS, attempts, record};
use super::{Record, Simple, Status};
use crate::database::Fault;
use crate::{Store, StoreError};

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
        self.one("id", app, id.0.to_string()).await
    }

    /// The app's record that Plivo knows by this UUID.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn find_by_uuid(&self, app: &str, uuid: &str) -> Result<Option<Record>, StoreError> {
        self.one("message_uuid", Some(app), uuid.to_owned()).await
    }

    /// The messages that pass `filter`, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] where `filter.after` names no record of the app; [`StoreError::Unavailable`].
    pub async fn list(&self, filter: &Filter) -> Result<Page, StoreError> {
        let (filter, content) = (filter.clone(), self.content.clone());
        self.database
            .read(move |connection| {
                let hash = filter.to.as_ref().map(|to| content.number_hash(to.as_str()));
                page(connection, &filter, hash)
            })
            .await
    }

    async fn one(
        &self,
        column: &'static str,
        app: Option<&str>,
        value: String,
    ) -> Result<Option<Record>, StoreError> {
        let app = app.map(str::to_owned);
        let sql = format!(
            "SELECT {COLUMNS} FROM messages WHERE {column} = ?1 AND (?2 IS NULL OR app = ?2)"
        );
        self.database
            .read(move |connection| {
                let mut query = connection.prepare_cached(&sql)?;
                let found = query.query_row((&value, &app), record).optional()?;
                Ok(found.map(|found| with_attempts(connection, found)).transpose()?)
            })
            .await
    }
}

/// Deletes the messages whose ids `which` selects, and all that belongs to them but their events, which have a time of
/// their own.
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
        for sql in [
            "DELETE FROM attempts WHERE message = ?",
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
    let (mut sql, mut values) = (format!("SELECT {COLUMNS} FROM messages WHERE 1"), Vec::new());
    let mut when = |condition: &str, value: Option<&str>| {
        if let Some(value) = value {
            values.push(Value::from(value.to_owned()));
            sql.push_str(&condition.replace("?", &format!("?{}", values.len())));
        }
    };
    when(" AND app = ?", filter.app.as_deref());
    when(" AND status = ?", filter.status.map(Status::as_str));
    when(
        " AND recipient_hash IS NULL AND recipient = ?",
        filter.to.as_ref().filter(|_| to_hash.is_none()).map(E164::as_str),
    );
    if let Some(simple) = filter.simple {
        let words: Vec<String> = Status::ALL
            .into_iter()
            .filter(|status| status.simple() == simple)
            .map(|status| format!("'{}'", status.as_str()))
            .collect();
        sql.push_str(&format!(" AND status IN ({})", words.join(", ")));
    }
    if let (Some(to), Some(hash)) = (&filter.to, to_hash) {
        values.push(Value::from(to.as_str().to_owned()));
        values.push(Value::from(hash));
        sql.push_str(&format!(
            " AND (recipient = ?{} OR recipient_hash = ?{})",
            values.len() - 1,
            values.len()
        ));
    }
    if let Some(after) = &filter.after {
        let mut query = connection.prepare_cached(
            "SELECT number FROM messages WHERE id = ?1 AND (?2 IS NULL OR app = ?2)",
        )?;
        let number: Option<i64> =
            query.query_row((&*after.0, &filter.app), |row| row.get(0)).optional()?;
        values.push(Value::from(number.ok_or(StoreError::NotFound)?));
        sql.push_str(&format!(" AND number < ?{}", values.len()));
    }
    let limit = if (1..=PAGE).contains(&filter.limit) { filter.limit } else { PAGE };
    sql.push_str(&format!(" ORDER BY number DESC LIMIT {}", limit + 1));
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map(rusqlite::params_from_iter(values), record)?;
    let mut records: Vec<Record> = rows.collect::<Result<_, _>>()?;
    let more = records.len() > limit;
    records.truncate(limit);
    let records: Vec<Record> = records
        .into_iter()
        .map(|each| with_attempts(connection, each))
        .collect::<Result<_, _>>()?;
    let next = records.last().filter(|_| more).map(|last| last.id.clone());
    Ok(Page { records, next })
}
