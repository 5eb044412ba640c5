//! The messages queued, in order.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use uuid::Uuid;

use crate::send::Send;
use crate::{Queued, State, text};

/// Most messages kept; the oldest go first.
const MOST_MESSAGES: usize = 200_000;

/// The messages queued, by the order of their coming.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    kept: BTreeMap<u64, Queued>,
    by_uuid: HashMap<String, u64>,
    next: u64,
}

impl Messages {
    /// Queues one message a recipient, or `ids_each`, and returns their UUIDs.
    pub(crate) fn queue(
        &mut self,
        send: &Send,
        api_id: &str,
        connection: u64,
        ids_each: usize,
    ) -> Vec<String> {
        let recipients = send.recipients.iter();
        let each = recipients.flat_map(|dst| std::iter::repeat_n(dst, ids_each));
        each.map(|dst| {
            let message_uuid = Uuid::new_v4().to_string();
            self.push(Queued {
                message_uuid: message_uuid.clone(),
                api_id: api_id.to_owned(),
                src: send.src.clone(),
                powerpack_uuid: send.powerpack_uuid.clone(),
                dst: dst.clone(),
                text: send.text.clone(),
                kind: send.kind.clone(),
                media_urls: send.media_urls.clone(),
                media_ids: send.media_ids.clone(),
                url: send.url.clone(),
                method: send.method.clone(),
                message_expiry: send.message_expiry,
                log: send.log.clone(),
                trackable: send.trackable,
                state: State::Queued,
                error_code: None,
                sequence: 0,
                units: text::units(&send.text, &send.kind),
                connection,
                queued_at: Timestamp::now(),
            });
            message_uuid
        })
        .collect()
    }

    pub(crate) fn get(&self, uuid: &str) -> Option<&Queued> {
        self.kept.get(self.by_uuid.get(uuid)?)
    }

    /// Moves a message and counts the report; returns it as it stands then.
    pub(crate) fn report(
        &mut self,
        uuid: &str,
        state: State,
        code: Option<&str>,
    ) -> Option<Queued> {
        let message = self.kept.get_mut(self.by_uuid.get(uuid)?)?;
        message.state = state;
        message.sequence += 1;
        message.error_code = match (code, state) {
            (Some(code), _) => Some(code.to_owned()),
            (None, State::Delivered | State::Read) => Some("000".to_owned()),
            (None, _) => None,
        };
        Some(message.clone())
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Queued> {
        self.kept.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    fn push(&mut self, message: Queued) {
        self.by_uuid.insert(message.message_uuid.clone(), self.next);
        self.kept.insert(self.next, message);
        self.next += 1;
        if self.kept.len() > MOST_MESSAGES
            && let Some((_, oldest)) = self.kept.pop_first()
        {
            self.by_uuid.remove(&oldest.message_uuid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TextLength;

    #[test]
    fn the_oldest_message_goes_when_the_bound_is_passed() {
        let body = br#"{"src":"14155551212","dst":"14155550123","text":"hi"}"#;
        let send = Send::read(body, TextLength::Characters).ok().unwrap();
        let mut messages = Messages::default();
        let uuids = messages.queue(&send, "api", 1, MOST_MESSAGES);
        assert!(messages.get(&uuids[0]).is_some());

        let last = messages.queue(&send, "api", 1, 1);

        assert_eq!(messages.len(), MOST_MESSAGES);
        assert!(messages.get(&uuids[0]).is_none(), "the oldest is still there");
        assert!(messages.get(&uuids[1]).is_some() && messages.get(&last[0]).is_some());
    }
}
