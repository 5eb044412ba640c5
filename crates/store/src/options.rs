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
    /// With less free disk than this nothing new is accepted.
    pub min_free: MinFree,
}

/// How much of a disk is to be free, so that what was accepted can be carried to its end: this share of it or these bytes,
/// whichever is less. A tenth of a large disk is more than the rest will ever need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinFree {
    /// Of a hundred.
    pub percent: u8,
    /// In bytes.
    pub bytes: u64,
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
            min_free: MinFree::default(),
        }
    }
}

impl MinFree {
    /// As much may be used as there is.
    pub const NONE: Self = Self { percent: 0, bytes: 0 };

    /// The least of a disk of `total` bytes that is to be free, in bytes.
    pub fn of(self, total: u128) -> u128 {
        (total * u128::from(self.percent) / 100).min(self.bytes.into())
    }
}

impl Default for MinFree {
    /// A tenth of the disk, or 4 GiB.
    fn default() -> Self {
        Self { percent: 10, bytes: 4 << 30 }
    }
}

#[cfg(test)]
mod tests {
    use super::MinFree;

    const GIB: u128 = 1 << 30;

    #[test]
    fn a_tenth_of_a_small_disk_is_to_be_free_and_four_gibibytes_of_a_large_one() {
        let least = |total| MinFree::default().of(total);
        assert_eq!((least(10 * GIB), least(4096 * GIB)), (GIB, 4 * GIB));
    }

    #[test]
    fn either_bound_at_zero_lets_the_disk_be_filled() {
        let (percent, bytes) =
            (MinFree { percent: 0, bytes: 1 }, MinFree { percent: 90, bytes: 0 });
        assert_eq!([percent.of(GIB), bytes.of(GIB), MinFree::NONE.of(GIB)], [0; 3]);
    }
}
