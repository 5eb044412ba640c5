//! How much has not ended.

use message::Timestamp;

use super::Status;
use super::columns::{from_db, to_db};
use super::list::OPEN;
use crate::{Store, StoreError};

/// How much has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages of which nobody knows whether Plivo has them.
    pub in_doubt: u64,
    /// Messages that wait for a person.
    pub held: u64,
    /// Messages that wait for anything else.
    pub waiting: u64,
    /// Those of them that a call is out for.
    pub in_call: u64,
    /// Since when the first of those that are due has waited: its acceptance, or the instant that it was put off to.
    pub oldest_waiting: Option<Timestamp>,
}

impl Store {
    /// How much has not ended.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn backlog(&self, now: Timestamp) -> Result<Backlog, StoreError> {
        self.database.list(move |connection| Ok(Backlog::count(connection, now)?)).await
    }

    /// How many of the `newest` messages are in each state, in the order of the way; states without any are left out.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn states(&self, newest: u32) -> Result<Vec<(Status, u64)>, StoreError> {
        self.database
            .list(move |connection| {
                let mut query = connection.prepare_cached(
                    "SELECT status, count(*) FROM (SELECT status FROM messages ORDER BY number DESC LIMIT ?) \
                     GROUP BY status",
                )?;
                let rows = query.query_map([newest], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
                })?;
                let counted = rows.collect::<rusqlite::Result<Vec<_>>>()?;
                let count = |status: Status| {
                    let found = counted.iter().find(|(word, _)| word == status.as_str())?;
                    Some((status, u64::try_from(found.1).unwrap_or(0)))
                };
                Ok(Status::ALL.into_iter().filter_map(count).collect())
            })
            .await
    }
}

impl Backlog {
    pub(crate) fn count(
        connection: &rusqlite::Connection,
        now: Timestamp,
    ) -> rusqlite::Result<Self> {
        let mut query = connection.prepare_cached(&format!(
            "SELECT count(*) FILTER (WHERE status = 'in_doubt'), count(*) FILTER (WHERE status = 'held'), \
             count(*) FILTER (WHERE status NOT IN ('in_doubt', 'held')), \
             count(*) FILTER (WHERE status = 'sending'), \
             min(max(created, coalesce(not_before, created))) FILTER (WHERE status NOT IN ('in_doubt', 'held') AND \
             coalesce(not_before, created) <= ?1) FROM messages WHERE {OPEN}"
        ))?;
        let count = |row: &rusqlite::Row<'_>, at| {
            row.get::<_, i64>(at).map(|count| u64::try_from(count).unwrap_or(0))
        };
        query.query_row([to_db(now)], |row| {
            Ok(Backlog {
                in_doubt: count(row, 0)?,
                held: count(row, 1)?,
                waiting: count(row, 2)?,
                in_call: count(row, 3)?,
                oldest_waiting: row.get::<_, Option<i64>>(4)?.map(from_db),
            })
        })
    }
}
