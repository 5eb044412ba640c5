//! What policies remember and the disk has not: each transaction that matters writes it too, until one is committed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use super::{Prolonged, SavedValue, locked};
use crate::database::{Database, Fault};
use crate::messages::to_db;
use crate::{Commit, holds};

/// Most prolonged usages that wait; of more, a restart forgets what the shorter period forgot.
const PROLONGED: usize = 10_000;

/// Values whose own write has failed, and usages that count for longer than is written down. Bounded as the memory is:
/// a value has one place, under its owner and key.
#[derive(Default)]
pub(crate) struct Unwritten {
    values: Mutex<HashMap<(String, String), Arc<SavedValue>>>,
    prolonged: Mutex<Vec<Prolonged>>,
}

/// What of it one transaction has written.
#[derive(Default)]
struct Batch {
    values: Vec<Arc<SavedValue>>,
    prolonged: Vec<Prolonged>,
}

impl Unwritten {
    /// A value whose write failed.
    pub(super) fn keep(&self, value: Arc<SavedValue>) {
        locked(&self.values).insert(value.place(), value);
    }

    /// A newer value of the same place is being written.
    pub(super) fn supersede(&self, value: &SavedValue) {
        locked(&self.values).remove(&value.place());
    }

    pub(crate) fn prolong(&self, more: Vec<Prolonged>) {
        let mut prolonged = locked(&self.prolonged);
        let room = PROLONGED.saturating_sub(prolonged.len());
        prolonged.extend(more.into_iter().take(room));
    }

    /// Does `work` in a transaction that writes all of this too.
    pub(crate) fn with<T: Send + 'static>(
        self: &Arc<Self>,
        database: &Database,
        mut work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Commit<T> {
        let (unwritten, written) = (Arc::clone(self), Arc::clone(self));
        let batch = Arc::<Mutex<Batch>>::default();
        let in_work = Arc::clone(&batch);
        let work = move |connection: &Connection| {
            *locked(&in_work) = unwritten.write(connection)?;
            work(connection)
        };
        database.write_then(work, move |committed| {
            if committed {
                written.forget(&locked(&batch));
            }
        })
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<Batch> {
        let values: Vec<_> = locked(&self.values).values().cloned().collect();
        let prolonged = locked(&self.prolonged).clone();
        values.iter().try_for_each(|value| value.write(connection))?;
        holds::prolong(connection, &prolonged)?;
        Ok(Batch { values, prolonged })
    }

    /// What `batch` has is on disk.
    fn forget(&self, batch: &Batch) {
        let mut values = locked(&self.values);
        for written in &batch.values {
            let place = written.place();
            if values.get(&place).is_some_and(|now| Arc::ptr_eq(now, written)) {
                values.remove(&place);
            }
        }
        drop(values);
        locked(&self.prolonged).retain(|each| !batch.prolonged.contains(each));
    }
}

impl SavedValue {
    fn place(&self) -> (String, String) {
        (self.owner.clone(), self.key.clone())
    }

    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let Self { owner, key, value, ends } = self;
        let mut put = connection.prepare_cached(
            "INSERT OR REPLACE INTO policy_state (owner, key, value, ends) VALUES (?, ?, ?, ?)",
        )?;
        put.execute((owner, key, value, to_db(*ends))).map(drop)
    }
}
