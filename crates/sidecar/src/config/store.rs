//! `[store]`: where messages are kept, what of them, and what replicas share. All of it is fixed until a restart, but
//! for the user and the password of the server that they share.

mod shared;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use ::store::{Durability, Keep, MinFree, Place, StoreOptions};

pub use self::shared::Shared;

use super::Secret;
use super::cursor::{Item, Section};

const DAY_S: u64 = 24 * 60 * 60;
/// Most messages and most keys that may be asked for.
const MOST_ROWS: u32 = 1_000_000_000;
/// 16 TiB, in MiB.
const MOST_MB: u32 = 1 << 24;
/// Most messages, unless said otherwise: on disk, and in memory, where each takes some three kilobytes.
const MESSAGES: u32 = 1_000_000;
const MESSAGES_IN_MEMORY: u32 = 20_000;
const FULL: (&str, Keep) = ("full", Keep::Full);
const HASH: (&str, Keep) = ("hash", Keep::Hash);
const NONE: (&str, Keep) = ("none", Keep::None);

/// Where messages, keys and what policies remember are kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The database's file; in memory where absent. Its folder was there when the configuration was read.
    pub path: Option<PathBuf>,
    /// What an accepted message survives. Default: loss of power.
    pub durability: Durability,
    /// How texts are kept once their message has left. Default: not at all.
    pub text: Keep,
    /// How recipients are kept once their message has left. Default: as they are.
    pub numbers: Keep,
    /// Key of the hashes; where absent, a random one is kept beside the database.
    pub hash_key: Option<Secret>,
    /// How long messages and events are kept. Default 30 days.
    pub retention: Duration,
    /// Most messages. Default 1,000,000; in memory 20,000.
    pub max_messages: u64,
    /// How long answers are kept under their idempotency keys. Default 24 h.
    pub key_retention: Duration,
    /// Most idempotency keys. Default 1,000,000.
    pub max_keys: u64,
    /// With less free disk nothing new is accepted. Default 10 % of it, or 4 GiB where that is less.
    pub min_free: MinFree,
    /// What replicas share, where they share anything.
    pub shared: Option<Shared>,
}

impl Store {
    /// What the store is to be opened with.
    pub fn options(&self) -> StoreOptions {
        StoreOptions {
            place: self.path.clone().map_or(Place::Memory, Place::File),
            durability: self.durability,
            text: self.text,
            numbers: self.numbers,
            hash_key: self
                .hash_key
                .as_ref()
                .map(|key| ::store::Secret::from_words(key.expose().as_bytes())),
            retention: self.retention,
            most_messages: self.max_messages,
            key_retention: self.key_retention,
            most_keys: self.max_keys,
            min_free: self.min_free,
        }
    }

    /// The same in memory.
    pub(super) fn in_memory(&mut self) {
        self.path = None;
        if self.max_messages == u64::from(MESSAGES) {
            self.max_messages = MESSAGES_IN_MEMORY.into();
        }
    }

    /// With the URL of what replicas share, which holds the credentials.
    pub(super) fn read(mut section: Section<'_>) -> (Self, Option<Secret>) {
        let path = place(&mut section);
        let durability = section
            .word("durability", &[("power", Durability::Power), ("process", Durability::Process)]);
        let text = section.word("text", &[NONE, HASH, FULL]);
        let numbers = section.word("numbers", &[FULL, HASH, NONE]);
        let hash_key = section.get("hash_key").and_then(|item| hash_key(&item));
        let (retention, key_retention) = retentions(&mut section);
        let most_messages = if path.is_some() { MESSAGES } else { MESSAGES_IN_MEMORY };
        let max_messages = section.number("max_messages", most_messages, 1..=MOST_ROWS).into();
        let max_keys = section.number("max_keys", 1_000_000, 1..=MOST_ROWS).into();
        let min_free = min_free(&mut section);
        let (shared, shared_url) = Shared::read(&mut section).unzip();
        section.finish();
        let store = Self {
            path,
            durability,
            text,
            numbers,
            hash_key,
            retention,
            max_messages,
            key_retention,
            max_keys,
            min_free,
            shared,
        };
        (store, shared_url)
    }
}

fn min_free(section: &mut Section<'_>) -> MinFree {
    let default = MinFree::default();
    section.or_default("min_free_percent", default.percent);
    let percent = section.get("min_free_percent").and_then(|item| item.number(0..=90));
    let percent = percent.and_then(|percent| percent.try_into().ok()).unwrap_or(default.percent);
    let megabytes = section.number("min_free_mb", 4096, 0..=MOST_MB);
    MinFree { percent, bytes: u64::from(megabytes) << 20 }
}

/// The database's file, unless the store is to be in memory.
fn place(section: &mut Section<'_>) -> Option<PathBuf> {
    let path = section.get("path");
    let ephemeral = section.get("ephemeral").and_then(|item| Some((item.flag()?, item)));
    match (&path, &ephemeral) {
        (Some(path), Some((true, _))) => path.fault("contradicts ephemeral = true; keep one"),
        (None, Some((false, item))) => {
            item.fault(r#"needs a file then; write path = "sendgate.db""#)
        }
        _ => {}
    }
    if path.is_none() {
        section.or_default("ephemeral", true);
    }
    if path.is_none() && section.has("durability") {
        let detail =
            r#"is of no use: without a path the store is in memory; write path = "sendgate.db""#;
        section.reading().warn(&section.spot_of("durability"), detail);
    }
    path.and_then(|item| database(&item))
}

fn database(item: &Item<'_>) -> Option<PathBuf> {
    let text = item.text()?;
    let path = item.reading.path(text);
    let folder = path.parent().unwrap_or(&path);
    if text.is_empty() {
        item.fault(r#"is empty; write path = "sendgate.db", or ephemeral = true"#);
    } else if path.is_dir() {
        item.fault("is a folder; name a file in it, such as sendgate.db");
    } else if !folder.is_dir() {
        item.fault(format!("there is no folder {}; make it", folder.display()));
    } else {
        return Some(path);
    }
    None
}

fn hash_key(item: &Item<'_>) -> Option<Secret> {
    let key = Secret::read(item)?;
    if key.is_short() {
        // There are few numbers: who guesses the key can guess them all back.
        let detail = "is short for a key of hashes; make one with `openssl rand -hex 32`, say";
        item.reading.warn(&item.spot, key.source().said(detail));
    }
    Some(key)
}

/// How long messages are kept, and keys.
fn retentions(section: &mut Section<'_>) -> (Duration, Duration) {
    let before = section.reading().faults_so_far();
    let days = section.number("retention_days", 30, 1..=3_650);
    let hours = section.number("key_retention_h", 24, 1..=168);
    let messages = Duration::from_secs(u64::from(days) * DAY_S);
    let keys = Duration::from_secs(u64::from(hours) * 60 * 60);
    // In the place of a faulty one stands a default that nobody wrote.
    if keys > messages && section.reading().faults_so_far() == before {
        let detail = format!(
            "is longer than messages are kept (retention_days = {days}), so that an answer could name one that is gone"
        );
        section.reading().fault(&section.spot_of("key_retention_h"), detail);
    }
    (messages, keys)
}
