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
    /// The operator said so in its place.
    Operator,
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
    /// One word, and an instant in threes: more words, or more digits in a row that a text may have too, a redacted
    /// decision log would hide, and a replay could not read them.
    fn text(self) -> String {
        let word = match (self.out, self.source) {
            (true, Source::Handset) => "out",
            (true, Source::Operator) => "listed",
            (true, Source::Report) => "reported",
            (false, Source::Handset) => "in",
            (false, Source::Operator) => "unlisted",
            (false, Source::Report) => "cleared",
        };
        let digits = self.at_ms.to_string();
        let threes: Vec<&str> = digits
            .as_bytes()
            .rchunks(3)
            .rev()
            .filter_map(|three| std::str::from_utf8(three).ok())
            .collect();
        format!("{word} {}", threes.join("_"))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (word, at_ms) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
        let (out, source) = match word {
            "out" => (true, Source::Handset),
            "listed" => (true, Source::Operator),
            "reported" => (true, Source::Report),
            "in" => (false, Source::Handset),
            "unlisted" => (false, Source::Operator),
            "cleared" => (false, Source::Report),
            _ => return None,
        };
        Some(Self { out, source, at_ms: at_ms.replace('_', "").parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Place, Source};

    #[test]
    fn what_was_written_is_read_again() {
        for out in [true, false] {
            for source in [Source::Handset, Source::Operator, Source::Report] {
                let entry = Entry { out, source, at_ms: 1_767_614_400_000 };
                let text = entry.text();
                assert_eq!(Entry::parse(text.as_bytes()), Some(entry));
                let (_word, instant) = text.split_once(' ').expect("two parts");
                assert_eq!(instant, "1_767_614_400_000", "{text}");
            }
        }
        assert_eq!(Entry::parse(b"out by 5"), None);
    }

    #[test]
    fn a_place_shows_no_number() {
        let place = Place::of("", "sender +14155551212", "+14155550123");
        assert!(place.0.len() == 32 && place.0.bytes().all(|b| b.is_ascii_hexdigit()), "{place:?}");
    }
}
