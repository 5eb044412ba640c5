//! What is kept of a message that has left.

use message::MessageId;
use rusqlite::Connection;

use crate::{Keep, Secret};

/// How texts and numbers are kept.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) text: Keep,
    pub(crate) numbers: Keep,
    pub(crate) secret: Secret,
}

impl Content {
    /// The keyed hash that stands for a number.
    pub(crate) fn number_hash(&self, number: &str) -> String {
        self.secret.hex(&[b"number", number.as_bytes()])
    }

    /// The message has left: its text and number become what the operator wants kept.
    pub(crate) fn reduce(&self, connection: &Connection, id: &MessageId) -> rusqlite::Result<()> {
        if (self.text, self.numbers) == (Keep::Full, Keep::Full) {
            return Ok(());
        }
        let mut query = connection.prepare_cached(
            "SELECT recipient, text, coalesce(error_code IN ('send.unresolved', 'send.canceled_in_doubt'), 0) \
             OR EXISTS (SELECT 1 FROM attempts WHERE message = messages.id AND given_up IS NOT NULL) FROM messages \
             WHERE id = ?",
        )?;
        let (number, text, in_doubt): (Option<String>, Option<String>, bool) =
            query.query_row([&*id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let text_hash = |text: &String| self.secret.hex(&[b"text", text.as_bytes()]);
        let (text, text_hash) = match self.text {
            Keep::Full => (text, None),
            Keep::Hash => (None, text.as_ref().map(text_hash)),
            Keep::None => (None, None),
        };
        let (number, number_hash) = match self.numbers {
            Keep::Full => (number, None),
            // While Plivo may have it of a call that was given up, no other message to this number may be taken for it; the
            // sweep forgets it.
            Keep::None if !in_doubt => (None, None),
            Keep::Hash | Keep::None => {
                (None, number.as_ref().map(|number| self.number_hash(number)))
            }
        };
        let mut update = connection.prepare_cached(
            "UPDATE messages SET recipient = ?2, recipient_hash = ?3, text = ?4, text_hash = ?5 WHERE id = ?1",
        )?;
        update.execute((&*id.0, number, number_hash, text, text_hash))?;
        Ok(())
    }
}
