//! Messages that Plivo is asked about, where no report says what became of them.

use message::{MessageId, Timestamp};

use super::Record;
use super::columns::{COLUMNS, record, to_db};
use crate::{Commit, Store, StoreError};

impl Store {
    /// Messages of an account that Plivo is to be asked about by `now`, the longest due first; without their attempts.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn due_looks(
        &self,
        account: &str,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<Record>, StoreError> {
        let account = account.to_owned();
        self.database
            .list(move |connection| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM messages WHERE next_look <= ?1 AND message_uuid IS NOT NULL AND account = ?2 \
                     ORDER BY next_look LIMIT ?3"
                );
                let mut query = connection.prepare_cached(&sql)?;
                let rows = query.query_map((to_db(now), &account, most), record)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Plivo was asked; it is asked again at `next`, or never again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub fn looked(&self, id: &MessageId, next: Option<Timestamp>) -> Commit<()> {
        let id = id.clone();
        self.database.write(move |connection| {
            let mut update = connection.prepare_cached(
                "UPDATE messages SET looks = looks + 1, next_look = ?2, live = ?2 IS NOT NULL \
                 WHERE id = ?1 AND status IN ('submitted', 'sent')",
            )?;
            update.execute((&*id.0, next.map(to_db)))?;
            Ok(())
        })
    }
}
