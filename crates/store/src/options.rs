//! What an operator decides about the store.

use std::path::PathBuf;
use std::time::Duration;

use crate::database::beside;
use crate::{DEFAULT_RETENTION, Secret};

/// Where the store is and what it keeps.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Where it is.
    pub place: Place,
    /// What a commit survives.
    pub durability: Durability,
    /// How texts are kept once their message has left.
    pub text: Keep,
    /// How recipients are kept once their message has left.
    pub numbers: Keep,
    /// Key of the hashes. Without one a random key is made: beside the database, or for this process only.
    pub hash_key: Option<Secret>,
    /// How long messages that ask nothing more of us are kept, and events.
    pub retention: Duration,
    /// Most messages; the oldest that ask nothing more of us make room, then those that Plivo is only asked about.
    pub most_messages: u64,
    /// How long answers are kept under their idempotency keys; clamped to [`RETENTIONS`](crate::RETENTIONS).
    pub key_retention: Duration,
    /// Most idempotency keys.
    pub most_keys: u64,
    /// Below this share of free disk nothing new is accepted; 0 to accept until the disk is full.
    pub min_free_percent: u8,
}

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In memory, gone with the process.
    Memory,
    /// In this file, with `-wal`, `-shm`, `.lock` and `.key` beside it.
    File(PathBuf),
}

/// What a commit survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Loss of power: each commit waits for the disk.
    #[default]
    Power,
    /// The end of the process, not of the machine.
    Process,
}

/// How something personal is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// As it is.
    Full,
    /// As a keyed hash: equal ones can be told, and nothing more.
    Hash,
    /// Not at all.
    #[default]
    None,
}

impl StoreOptions {
    /// The key of hashes of a store that was opened with these, where it outlives the process. Opens and makes nothing.
    pub fn secret(&self) -> Option<Secret> {
        match (&self.hash_key, &self.place) {
            (Some(key), _) => Some(key.clone()),
            (None, Place::File(path)) => Secret::found_in(&beside(path, ".key")),
            (None, Place::Memory) => None,
        }
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            place: Place::Memory,
            durability: Durability::Power,
            text: Keep::None,
            numbers: Keep::Full,
            hash_key: None,
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            most_messages: 1_000_000,
            key_retention: DEFAULT_RETENTION,
            most_keys: 1_000_000,
            min_free_percent: 10,
        }
    }
}
