//! The messages queued, in order.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
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
    forgotten: u64,
    /// How far Plivo's clock is ahead of this machine's.
    pub(crate) ahead: SignedDuration,
}

impl Messages {
    /// Queues one message a recipient, or `ids_each`, and returns their UUIDs.
    pub(crate) fn queue(
        &mut self,
        send: &Send,
        (auth_id, api_id): (&str, &str),
        connection: u64,
        ids_each: usize,
    ) -> Vec<String> {
        let recipients = send.recipients.iter();
        let each = recipients.flat_map(|dst| std::iter::repeat_n(dst, ids_each));
        each.map(|dst| {
            let message_uuid = Uuid::new_v4().to_string();
            let now = self.now();
            self.push(Queued {
                message_uuid: message_uuid.clone(),
                api_id: api_id.to_owned(),
                auth_id: auth_id.to_owned(),
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
                dlt_entity_id: send.dlt_entity_id.clone(),
                dlt_template_id: send.dlt_template_id.clone(),
                dlt_template_category: send.dlt_template_category.clone(),
                state: State::Queued,
                error_code: None,
                sequence: 0,
                units: text::units(&send.text, &send.kind),
                connection,
                queued_at: now,
                moved_at: now,
            });
            message_uuid
        })
        .collect()
    }

    pub(crate) fn get(&self, uuid: &str) -> Option<&Queued> {
        self.kept.get(self.by_uuid.get(uuid)?)
    }

    /// Moves a message without a report; whether it is known.
    pub(crate) fn change(&mut self, uuid: &str, state: State, code: Option<&str>) -> bool {
        let (number, now) = (self.by_uuid.get(uuid), self.now());
        let Some(message) = number.and_then(|number| self.kept.get_mut(number)) else {
            return false;
        };
        message.state = state;
        message.error_code = error_code(state, code);
        message.moved_at = now;
        true
    }

    /// Moves a message and counts the report; returns it as the report has it. A report that is not its newest moves
    /// nothing.
    pub(crate) fn report(
        &mut self,
        uuid: &str,
        state: State,
        code: Option<&str>,
        sequence: Option<u32>,
    ) -> Option<Queued> {
        let moved_at = self.now();
        let message = self.kept.get_mut(self.by_uuid.get(uuid)?)?;
        let sequence = sequence.unwrap_or(message.sequence.saturating_add(1));
        let error_code = error_code(state, code);
        let reported = Queued { state, error_code, sequence, moved_at, ..message.clone() };
        if sequence > message.sequence {
            message.clone_from(&reported);
        }
        Some(reported)
    }

    /// Plivo's time.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.ahead).unwrap_or(Timestamp::MAX)
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Queued> {
        self.kept.values()
    }

    /// How many were queued and are not kept any more.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
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
            self.forgotten += 1;
        }
    }
}

fn error_code(state: State, code: Option<&str>) -> Option<String> {
    let none = matches!(state, State::Delivered | State::Read).then_some("000");
    code.or(none).map(str::to_owned)
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
        let uuids = messages.queue(&send, ("MA", "api"), 1, MOST_MESSAGES);
        assert!(messages.get(&uuids[0]).is_some());

        let last = messages.queue(&send, ("MA", "api"), 1, 1);

        assert_eq!(messages.len(), MOST_MESSAGES);
        assert!(messages.get(&uuids[0]).is_none(), "the oldest is still there");
        assert!(messages.get(&uuids[1]).is_some() && messages.get(&last[0]).is_some());
    }
}
