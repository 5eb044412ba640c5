//! Records of accepted messages.

mod record;
mod status;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use message::{E164, MessageId};

use crate::expiring::name_of;
use crate::{DEFAULT_KEYS, StoreError};

pub use record::{Attempt, AttemptOutcome, Decision, Record};
pub use status::{Simple, Status};

/// Most records in one [`Page`].
const PAGE: usize = 100;

/// The records of accepted messages, bounded: the oldest that ask nothing more of us make room. Clones share them.
#[derive(Clone, Debug)]
pub struct Messages(Arc<Mutex<Records>>);

/// Which records of an app to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
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

/// Some of an app's records, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// What to ask for `after` to get the next page; none where there are no more.
    pub next: Option<MessageId>,
}

/// Every record has a number that only grows: its place among all.
#[derive(Debug)]
struct Records {
    by_number: BTreeMap<u64, Record>,
    by_id: HashMap<MessageId, u64>,
    by_app: HashMap<String, BTreeSet<u64>>,
    by_uuid: HashMap<String, u64>,
    finished: BTreeSet<u64>,
    number: u64,
    most: usize,
}

impl Messages {
    /// At most `most` records.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Records {
            by_number: BTreeMap::new(),
            by_id: HashMap::new(),
            by_app: HashMap::new(),
            by_uuid: HashMap::new(),
            finished: BTreeSet::new(),
            number: 0,
            most,
        })))
    }

    /// Keeps the record of a newly accepted message.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] where every record kept still asks something of us; [`StoreError::Exists`] where the id is taken.
    pub async fn insert(&self, record: Record) -> Result<(), StoreError> {
        self.locked().insert(record)
    }

    /// Changes a record and returns what `change` returns. Its id and app stay as they are.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`].
    pub async fn update<R>(
        &self,
        id: &MessageId,
        change: impl FnOnce(&mut Record) -> R + Send,
    ) -> Result<R, StoreError> {
        self.locked().update(id, change)
    }

    /// The app's record with this id.
    ///
    /// # Errors
    ///
    /// None in memory.
    pub async fn get(&self, app: &str, id: &MessageId) -> Result<Option<Record>, StoreError> {
        let records = self.locked();
        let record = records.by_id.get(id).and_then(|number| records.by_number.get(number));
        Ok(record.filter(|record| record.app == app).cloned())
    }

    /// The app's record that Plivo knows by this UUID.
    ///
    /// # Errors
    ///
    /// None in memory.
    pub async fn find_by_uuid(&self, app: &str, uuid: &str) -> Result<Option<Record>, StoreError> {
        let records = self.locked();
        let number = records.by_uuid.get(&name_of([app, uuid]));
        Ok(number.and_then(|number| records.by_number.get(number)).cloned())
    }

    /// The app's records that pass `filter`, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] where `filter.after` names no record of the app.
    pub async fn list(&self, app: &str, filter: &Filter) -> Result<Page, StoreError> {
        self.locked().list(app, filter)
    }

    fn locked(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Messages {
    fn default() -> Self {
        Self::new(DEFAULT_KEYS)
    }
}

impl Filter {
    fn passes(&self, record: &Record) -> bool {
        self.status.is_none_or(|status| status == record.status)
            && self.simple.is_none_or(|simple| simple == record.status.simple())
            && self.to.as_ref().is_none_or(|to| *to == record.to)
    }
}

impl Records {
    fn insert(&mut self, record: Record) -> Result<(), StoreError> {
        if self.by_id.contains_key(&record.id) {
            return Err(StoreError::Exists);
        }
        if self.by_number.len() >= self.most {
            let oldest = self.finished.first().copied().ok_or(StoreError::Full)?;
            self.remove(oldest);
        }
        self.number += 1;
        self.by_id.insert(record.id.clone(), self.number);
        self.by_app.entry(record.app.clone()).or_default().insert(self.number);
        self.index(
            self.number,
            &record.app,
            record.message_uuid.as_deref(),
            record.status.may_be_dropped(),
        );
        self.by_number.insert(self.number, record);
        Ok(())
    }

    fn update<R>(
        &mut self,
        id: &MessageId,
        change: impl FnOnce(&mut Record) -> R,
    ) -> Result<R, StoreError> {
        let number = *self.by_id.get(id).ok_or(StoreError::NotFound)?;
        let record = self.by_number.get_mut(&number).ok_or(StoreError::NotFound)?;
        let (app, uuid) = (record.app.clone(), record.message_uuid.clone());
        let changed = change(record);
        record.id.clone_from(id);
        record.app.clone_from(&app);
        let (new_uuid, finished) = (record.message_uuid.clone(), record.status.may_be_dropped());
        self.unindex(number, &app, uuid.as_deref());
        self.index(number, &app, new_uuid.as_deref(), finished);
        Ok(changed)
    }

    fn list(&self, app: &str, filter: &Filter) -> Result<Page, StoreError> {
        let Some(numbers) = self.by_app.get(app) else {
            return if filter.after.is_some() {
                Err(StoreError::NotFound)
            } else {
                Ok(Page::default())
            };
        };
        let end = match &filter.after {
            Some(id) => *self
                .by_id
                .get(id)
                .filter(|number| numbers.contains(number))
                .ok_or(StoreError::NotFound)?,
            None => u64::MAX,
        };
        let limit = if (1..=PAGE).contains(&filter.limit) { filter.limit } else { PAGE };
        let older = numbers.range(..end).rev().filter_map(|number| self.by_number.get(number));
        let mut passing = older.filter(|record| filter.passes(record));
        let records: Vec<Record> = passing.by_ref().take(limit).cloned().collect();
        let more = passing.next().is_some();
        let next = records.last().filter(|_| more).map(|last| last.id.clone());
        Ok(Page { records, next })
    }

    fn index(&mut self, number: u64, app: &str, uuid: Option<&str>, finished: bool) {
        if let Some(uuid) = uuid {
            self.by_uuid.insert(name_of([app, uuid]), number);
        }
        if finished {
            self.finished.insert(number);
        }
    }

    fn unindex(&mut self, number: u64, app: &str, uuid: Option<&str>) {
        if let Some(uuid) = uuid {
            self.by_uuid.remove(&name_of([app, uuid]));
        }
        self.finished.remove(&number);
    }

    fn remove(&mut self, number: u64) {
        let Some(record) = self.by_number.remove(&number) else { return };
        self.unindex(number, &record.app, record.message_uuid.as_deref());
        self.by_id.remove(&record.id);
        if let Some(numbers) = self.by_app.get_mut(&record.app) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_app.remove(&record.app);
            }
        }
    }
}

#[cfg(test)]
mod tests;
