//! Names, and senders by any of their forms.

use message::Sender;

use super::cursor::Item;

/// Longest name, in bytes.
const NAME_BYTES: usize = 64;

/// Reads what a message may come from: a number, a short code, a name, or the UUID of a pool.
///
/// The messages show no number.
pub(super) fn sender(item: &Item<'_>) -> Option<Sender> {
    let sender = parse_sender(item.text()?);
    if sender.is_none() {
        let detail = "is not a sender; give a number in E.164, a short code of 3 to 8 digits, a name of at most 11 \
                      letters and digits, or a pool's UUID";
        item.fault(detail);
    }
    sender
}

/// A sender, or the UUID of a pool in its usual form of 36 characters.
pub(super) fn parse_sender(text: &str) -> Option<Sender> {
    Sender::parse_any(text, "").ok()
}

/// Reads an intent that messages may have.
pub(super) fn intent(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    if !is_intent(text) {
        item.fault(
            "is not an intent; use 1 to 64 lower-case letters, digits, underscores and hyphens",
        );
    }
    is_intent(text).then(|| text.into())
}

/// Whether messages may have the intent `text`.
pub(super) fn is_intent(text: &str) -> bool {
    !text.is_empty() && message::is_intent(text)
}

/// Reads 1 to 64 of `A-Z a-z 0-9 . _ -`, a letter or digit first.
pub(super) fn word(item: &Item<'_>, what: &str) -> Option<String> {
    let text = item.text()?;
    if !is_word(text) {
        item.fault(format!(
            "is not {what}; use 1 to {NAME_BYTES} letters, digits, dots, underscores and hyphens"
        ));
    }
    is_word(text).then(|| text.into())
}

/// Whether `text` is 1 to 64 of `A-Z a-z 0-9 . _ -`, a letter or digit first.
pub(super) fn is_word(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    text.len() <= NAME_BYTES
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(inner)
}
