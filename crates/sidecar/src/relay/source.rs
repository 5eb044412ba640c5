//! Whose events these are.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use store::{Secret, Store};

/// One sidecar with one store, by a name that lives as long as the store does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    instance: [u8; INSTANCE],
}

/// A place among an app's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    /// After the event with this number.
    After(u64),
    /// In another store, such as the one that a process without a file had before it ended.
    Elsewhere,
}

const INSTANCE: usize = 8;
const NUMBER: usize = 8;

impl Source {
    /// The name that belongs to a store; it tells nothing of its secret, which other stores may have too.
    pub(crate) fn of(store: &Store) -> Self {
        Self::named(store.secret(), store.name())
    }

    pub(super) fn named(secret: &Secret, name: &str) -> Self {
        let hash = secret.derive("instance name").hash(&[b"instance", name.as_bytes()]);
        let mut instance = [0; INSTANCE];
        instance.copy_from_slice(&hash[..INSTANCE]);
        Self { instance }
    }

    /// `urn:sendgate:` and the instance: a CloudEvent's `source`.
    pub(super) fn urn(&self) -> String {
        let hex: String = self.instance.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("urn:sendgate:{hex}")
    }

    /// What an app gives to be told what came after the event with this number.
    pub(super) fn cursor(&self, number: u64) -> String {
        let bytes = [self.instance.as_slice(), &number.to_be_bytes()].concat();
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a cursor says; none where it is none.
    pub(super) fn read(&self, cursor: &str) -> Option<Cursor> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (instance, number) = bytes.split_at_checked(INSTANCE)?;
        let number: [u8; NUMBER] = number.try_into().ok()?;
        let own = instance == self.instance;
        Some(if own { Cursor::After(u64::from_be_bytes(number)) } else { Cursor::Elsewhere })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_number_in_its_own_store_only() {
        let one = Secret::from_words(b"one");
        let own = Source::named(&one, "a");
        for number in [0, 1, u64::MAX] {
            let cursor = own.cursor(number);
            assert_eq!(own.read(&cursor), Some(Cursor::After(number)));
            for other in [Source::named(&Secret::from_words(b"two"), "a"), Source::named(&one, "b")]
            {
                assert_eq!(other.read(&cursor), Some(Cursor::Elsewhere));
            }
        }
        for text in ["", "1", "not base64!", &own.cursor(1)[1..], &format!("{}AA", own.cursor(1))] {
            assert_eq!(own.read(text), None, "{text}");
        }
    }

    #[test]
    fn the_name_stays_with_the_store() {
        let urn = Source::named(&Secret::from_words(b"one"), "a").urn();
        assert_eq!(urn, Source::named(&Secret::from_words(b"one"), "a").urn());
        assert_eq!(urn.len(), "urn:sendgate:".len() + 16, "{urn}");
    }
}
