//! `[delivery] on_unresolved`: what becomes of messages in doubt that stay so.

use std::collections::BTreeMap;

use crate::config::cursor::{Item, Section};
use crate::config::names::is_intent;

/// Most intents with a word of their own.
const MOST_INTENTS: usize = 64;
const WORDS: [(&str, OnUnresolved); 3] = [
    (OnUnresolved::Fail.as_str(), OnUnresolved::Fail),
    (OnUnresolved::Resend.as_str(), OnUnresolved::Resend),
    (OnUnresolved::Hold.as_str(), OnUnresolved::Hold),
];

/// What becomes of a message in doubt that stays so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnresolved {
    /// It counts as failed: sent at most once.
    #[default]
    Fail,
    /// It is sent again: sent at least once.
    Resend,
    /// It waits for a person.
    Hold,
}

/// What becomes of messages in doubt that stay so, by their intent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnUnresolvedTable {
    otherwise: OnUnresolved,
    by_intent: BTreeMap<String, OnUnresolved>,
}

impl OnUnresolved {
    /// The configuration's word: `fail`, `resend` or `hold`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Resend => "resend",
            Self::Hold => "hold",
        }
    }
}

impl OnUnresolvedTable {
    /// The word for messages of `intent`.
    pub fn of(&self, intent: &str) -> OnUnresolved {
        self.by_intent.get(intent).copied().unwrap_or(self.otherwise)
    }

    /// Reads `on_unresolved` and `on_unresolved_by_intent`.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let otherwise = section.word("on_unresolved", &WORDS);
        section.or_default("on_unresolved_by_intent", "{}");
        let own = section.get("on_unresolved_by_intent");
        let entries = own.and_then(|item| item.entries(MOST_INTENTS)).unwrap_or_default();
        let by_intent = entries.iter().filter_map(|(intent, item)| by_intent(intent, item));
        Self { otherwise, by_intent: by_intent.collect() }
    }
}

fn by_intent(intent: &str, item: &Item<'_>) -> Option<(String, OnUnresolved)> {
    if !is_intent(intent) {
        item.fault("is under a key that is no intent; write it in lower case, such as otp");
    }
    Some((intent.into(), item.word(&WORDS)?))
}
