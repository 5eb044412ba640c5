//! Plivo's words for the states of a message, and ours.

use store::Status;

/// Longest word that is kept, in characters; Plivo's longest has 11 ("Message Status Callbacks").
const MOST: usize = 32;

/// Plivo's word as it is kept: lower case where it is known, else as it came, cut to 32 characters.
pub(super) fn kept(word: &str) -> String {
    let lower = word.trim().to_ascii_lowercase();
    if is_known(&lower) { lower } else { word.trim().chars().take(MOST).collect() }
}

/// The status that a report with this word proves.
///
/// A word that is not known, such as WhatsApp's `read`, proves no more than that Plivo has the message.
pub(super) fn status(word: &str) -> Status {
    match word {
        "sent" => Status::Sent,
        "delivered" => Status::Delivered,
        "undelivered" => Status::Undelivered,
        "failed" | "rejected" => Status::Failed,
        _ => Status::Submitted,
    }
}

fn is_known(word: &str) -> bool {
    matches!(
        word,
        "queued"
            | "sent"
            | "delivered"
            | "undelivered"
            | "failed"
            | "rejected"
            | "read"
            | "received"
    )
}

#[cfg(test)]
mod tests {
    use store::Status;

    use super::{kept, status};

    #[test]
    fn every_word_of_plivos_has_its_status() {
        for (word, expected) in [
            ("queued", Status::Submitted),
            ("sent", Status::Sent),
            ("delivered", Status::Delivered),
            ("undelivered", Status::Undelivered),
            ("failed", Status::Failed),
            ("rejected", Status::Failed),
            ("read", Status::Submitted),
            ("a word of tomorrow", Status::Submitted),
        ] {
            assert_eq!(status(word), expected, "{word}");
        }
    }

    #[test]
    fn known_words_are_kept_in_lower_case_and_others_as_they_came() {
        assert_eq!(kept(" Delivered "), "delivered");
        assert_eq!(kept("Deferred"), "Deferred");
        assert_eq!(kept(&"x".repeat(100)).len(), 32);
    }
}
