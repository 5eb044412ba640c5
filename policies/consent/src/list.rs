//! Who takes no messages from whom, as it is kept in `state`.

use policy_sdk::state::StateError;
use policy_sdk::{mark, state};

/// How long a word is kept: ten years, which is the longest that anything is.
const KEPT_MS: u64 = 10 * 366 * 86_400_000;

/// How the list came to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The handset said so.
    Handset,
    /// Plivo's report said so.
    Report,
}

/// The latest word on one recipient and one group of senders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Whether no more messages are wanted.
    pub(crate) out: bool,
    pub(crate) source: Source,
    pub(crate) at_ms: u64,
}

/// One recipient's place in the list, for one group of senders or for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place(String);

impl Place {
    /// That of `recipient` for the senders of `group`.
    pub(crate) fn of(salt: &str, group: &str, recipient: &str) -> Self {
        Self(mark(salt, ["optout", group, recipient]))
    }

    /// What was last said.
    pub(crate) fn read(&self) -> Result<Option<Entry>, StateError> {
        Ok(state::get(&self.0)?.as_deref().and_then(Entry::parse))
    }

    pub(crate) fn write(&self, entry: Entry) -> Result<(), StateError> {
        state::put(&self.0, entry.text().as_bytes(), KEPT_MS, false).map(drop)
    }

    /// The key of the one confirmation of `entry`.
    pub(crate) fn confirmation(&self, entry: Entry) -> String {
        format!("confirm-{}-{}", self.0, entry.at_ms)
    }
}

impl Entry {
    fn text(self) -> String {
        let word = if self.out { "out" } else { "in" };
        let source = match self.source {
            Source::Handset => "handset",
            Source::Report => "report",
        };
        format!("{word} {source} {}", self.at_ms)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut words = text.split(' ');
        let out = match words.next()? {
            "out" => true,
            "in" => false,
            _ => return None,
        };
        let source = match words.next()? {
            "handset" => Source::Handset,
            "report" => Source::Report,
            _ => return None,
        };
        Some(Self { out, source, at_ms: words.next()?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Place, Source};

    #[test]
    fn what_was_written_is_read_again() {
        for (out, source) in
            [(true, Source::Handset), (true, Source::Report), (false, Source::Handset)]
        {
            let entry = Entry { out, source, at_ms: 1_767_614_400_000 };
            assert_eq!(Entry::parse(entry.text().as_bytes()), Some(entry));
        }
        assert_eq!(Entry::parse(b"out by 5"), None);
    }

    #[test]
    fn a_place_shows_no_number() {
        let place = Place::of("", "sender +14155551212", "+14155550123");
        assert!(place.0.len() == 32 && place.0.bytes().all(|b| b.is_ascii_hexdigit()), "{place:?}");
    }
}
