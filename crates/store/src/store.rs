//! The store as one thing.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use message::{E164, Ledger, Timestamp};
use rusqlite::Connection;

use crate::content::Content;
use crate::database::{Database, Fault, beside};
use crate::idempotency::{Claims, KeysKept};
use crate::ledger::{DurableLedger, KeptLedger, Unwritten};
use crate::messages::from_db;
use crate::sweep::{LogEmptied, rows_of};
use crate::{
    Commit, Keep, MemoryLedger, OpenError, Place, RETENTIONS, Secret, StoreError, StoreOptions,
    holds, ledger,
};

/// Everything that is kept: messages with their attempts and events, idempotency keys, and what policies remember.
///
/// In a file it survives the process, and with [`Durability::Power`](crate::Durability::Power) the machine. Clones
/// share it.
#[derive(Clone)]
pub struct Store {
    name: Arc<str>,
    pub(crate) database: Database,
    pub(crate) ledger: KeptLedger,
    unwritten: Arc<Unwritten>,
    pub(crate) claims: Arc<Mutex<Claims>>,
    pub(crate) content: Content,
    pub(crate) bounds: Bounds,
    pub(crate) log_emptied: Arc<LogEmptied>,
    /// When the newest of the messages that made room was changed last, in milliseconds since 1970.
    pub(crate) newest_gone: Arc<AtomicU64>,
    pub(crate) keys_kept: Arc<KeysKept>,
    lost_its_key: bool,
}

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) retention: Duration,
    pub(crate) messages: u64,
    pub(crate) key_retention: Duration,
    pub(crate) keys: u64,
}

impl Store {
    /// Opens the store, or makes it; what policies remembered is read again as of `now`. Blocks.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: another process has it, a newer version wrote it, or it cannot be read or written.
    pub fn open(options: StoreOptions, now: Timestamp) -> Result<Self, OpenError> {
        let StoreOptions { place, durability, text, numbers, hash_key, .. } = &options;
        let left = |connection: &Connection| {
            let last = holds::last_token(connection)?;
            let sql = "SELECT newest FROM made_room";
            let gone: i64 = connection.query_row(sql, [], |row| row.get(0))?;
            let used = rows_of(connection, "messages")? > 0
                || rows_of(connection, "idempotency_keys")? > 0;
            let name: String =
                connection.query_row("SELECT name FROM identity", [], |row| row.get(0))?;
            let (holds, values) = (holds::all(connection, now)?, ledger::values(connection, now)?);
            Ok((last, holds, values, gone, used, name))
        };
        if let Place::File(path) = place
            && !path.metadata().is_ok_and(|found| found.len() > 0)
            && beside(path, ".key").exists()
        {
            tracing::warn!(path = %path.display(), "there was a database here, whose key is left, and it is gone or \
             empty: what it kept is not known any more; if it was only moved, stop, and put it back");
        }
        let (database, (last_token, holds, values, gone, used, name)) =
            Database::open(place, *durability, options.min_free, left)?;
        let (secret, lost_its_key) = match (hash_key, place) {
            (Some(key), _) => (key.clone(), false),
            (None, Place::Memory) => (Secret::random(), false),
            (None, Place::File(path)) => {
                let path = beside(path, ".key");
                let lost = used && !path.exists();
                if lost {
                    tracing::error!(path = %path.display(), "the key of this database is gone, and a new one is made: \
                     idempotency keys of before are refused as used for other requests, delivery reports that are on \
                     their way count as forged, and hashes of before match no more; to have it back, stop, and put it \
                     there");
                }
                let bad = |source| OpenError::File { path: path.clone(), source };
                (Secret::kept_in(&path).map_err(bad)?, lost)
            }
        };
        let bounds = Bounds {
            retention: options.retention,
            messages: options.most_messages,
            key_retention: options.key_retention.clamp(*RETENTIONS.start(), *RETENTIONS.end()),
            keys: options.most_keys,
        };
        let memory = MemoryLedger::default();
        memory.restore(last_token, holds, values, now);
        let unwritten = Arc::<Unwritten>::default();
        let ledger = match place {
            Place::Memory => KeptLedger::InMemory(Arc::new(memory)),
            Place::File(_) => {
                let (database, unwritten) = (database.clone(), Arc::clone(&unwritten));
                KeptLedger::Durable(Arc::new(DurableLedger::new(memory, database, unwritten)))
            }
        };
        let content = Content { text: *text, numbers: *numbers, secret };
        let (claims, log_emptied) = (Arc::default(), Arc::default());
        let newest_gone = Arc::new(AtomicU64::new(from_db(gone).0));
        let name = name.into();
        Ok(Self {
            name,
            database,
            ledger,
            unwritten,
            claims,
            content,
            bounds,
            log_emptied,
            newest_gone,
            keys_kept: Arc::default(),
            lost_its_key,
        })
    }

    /// What policies remember.
    pub fn ledger(&self) -> Arc<dyn Ledger> {
        self.ledger.shared()
    }

    /// Ready when what policies remembered before now is on disk; it is written behind otherwise.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`]
    pub fn remembered(&self) -> Commit<()> {
        self.write_all(|_| Ok(()))
    }

    /// Brings all that was written into the database's own file and empties the log beside it, as its last owner does:
    /// at the end of a process somebody may not let go of it.
    pub async fn settle(&self) {
        self.database.empty_log();
        // The log is emptied after a commit, and what comes then waits for that.
        drop(self.remembered().await);
        drop(self.remembered().await);
    }

    /// Does `work` in a transaction that writes with it what policies remember and the disk has not: values whose own
    /// write failed before, and usages that count for longer.
    pub(crate) fn write_all<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Commit<T> {
        self.unwritten.prolong(self.ledger.memory().prolonged());
        self.unwritten.with(&self.database, work)
    }

    /// Waits until everything that was written before now can be read, for `most` at the longest. Whoever was told of
    /// something before it was committed finds it then. `false` where that was not in time: what is there may be read,
    /// and what is not there may yet come.
    pub async fn caught_up(&self, most: Duration) -> bool {
        !self.database.reads_apart()
            || matches!(tokio::time::timeout(most, self.remembered()).await, Ok(Ok(())))
    }

    /// Whether a message that was changed at `since` or later may have made room for others, so that nobody knows any
    /// more which of Plivo's ids was its own.
    pub fn made_room_since(&self, since: Timestamp) -> bool {
        self.newest_gone.load(Ordering::Acquire) >= since.0
    }

    /// What this database is called, and no other: 32 digits, for as long as it lives.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Key of every hash here, to derive others from.
    pub fn secret(&self) -> &Secret {
        &self.content.secret
    }

    /// Whether the key beside the database was not there any more when it was opened, and was made anew.
    pub fn lost_its_key(&self) -> bool {
        self.lost_its_key
    }

    /// A number's keyed hash: tells it from others in memory and in records that hold no number.
    pub fn mark_of(&self, number: &E164) -> String {
        self.content.number_hash(number.as_str())
    }

    /// Whether recipients are kept as they are once their message has left.
    pub fn keeps_numbers(&self) -> bool {
        self.content.numbers == Keep::Full
    }

    /// Whether messages that have left are found by their recipient.
    pub fn finds_numbers(&self) -> bool {
        self.content.numbers != Keep::None
    }

    /// Why nothing new can be accepted, as far as is known; none when all is well.
    pub fn trouble(&self) -> Option<StoreError> {
        self.database.trouble()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("database", &self.database).finish_non_exhaustive()
    }
}
