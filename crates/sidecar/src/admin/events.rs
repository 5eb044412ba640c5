//! The events of one message, found among those of its app.

use std::time::Duration;

use message::Timestamp;
use store::{Event, Record, Store, StoreError};

/// Clocks may have been set by so much, and commits may be so late.
const SLACK: Duration = Duration::from_secs(60);
/// Events in one look, and most looks from the message's acceptance to its last change.
const PAGE: u32 = 1_000;
const PAGES: usize = 50;

/// What was found.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) found: Vec<Event>,
    /// False where the app had too many events in the message's time to look at them all.
    pub(super) complete: bool,
}

/// The events of one message, oldest first. The store keeps them in the order of time, so those between the message's
/// acceptance and its last change are looked at.
pub(super) async fn of(store: &Store, record: &Record) -> Result<Events, StoreError> {
    let (from, until) = (record.created.before(SLACK), record.updated.after(SLACK));
    let mut cursor = before(store, &record.app, from).await?;
    let mut found = Vec::new();
    for _ in 0..PAGES {
        let page = store.events_after(&record.app, cursor, PAGE).await?;
        let last = page.last().map(|event| (event.number, event.at));
        let full = page.len() == PAGE as usize;
        found.extend(page.into_iter().filter(|event| event.message == record.id));
        match last {
            Some((number, at)) if full && at <= until => cursor = number,
            _ => return Ok(Events { found, complete: true }),
        }
    }
    Ok(Events { found, complete: false })
}

/// A number such that every event of the app after `from` has a higher one, and few others have.
async fn before(store: &Store, app: &str, from: Timestamp) -> Result<u64, StoreError> {
    let (mut low, mut step) = (0, 1);
    let mut high = loop {
        match early(store, app, low + step, from).await? {
            Some(number) => (low, step) = (number, step * 2),
            None => break low + step,
        }
    };
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match early(store, app, middle, from).await? {
            Some(number) => low = number,
            None => high = middle,
        }
    }
    Ok(low)
}

/// The number of the app's first event after `number`, where that is from before `from`.
async fn early(
    store: &Store,
    app: &str,
    number: u64,
    from: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let next = store.events_after(app, number, 1).await?.pop();
    Ok(next.filter(|event| event.at < from).map(|event| event.number))
}

#[cfg(test)]
mod tests {
    use message::{Dedup, E164, Message, MessageId, Segments, Sender};
    use store::{Change, NewMessage, Status, StoreOptions};

    use super::*;

    /// One message a minute, each of which is submitted at once.
    async fn store_with(messages: u64) -> Store {
        let store = Store::open(StoreOptions::default(), Timestamp(0)).unwrap();
        for nth in 0..messages {
            let at = Timestamp(1_000_000 + nth * 60_000);
            let message = Message {
                id: MessageId(nth.to_string().into()),
                to: E164::parse("+14155550123", "").unwrap(),
                sender: Sender::ShortCode("12345".into()),
                text: String::new(),
                media_urls: vec![],
                media_ids: vec![],
                intent: String::new(),
                ttl_s: None,
                not_before: None,
                callback_url: None,
                dedup: Dedup::Off,
                tags: vec![],
            };
            let (segments, app) = (Segments::of(""), ["demo", "other"][(nth % 2) as usize]);
            let record = Record::of(&message, segments, app, "messages", at, at);
            let new = NewMessage { record, text: String::new(), holds: vec![] };
            store.accept(vec![new], None).await.unwrap();
            let change = Change::to(Status::Submitted, at);
            store.change(&message.id, change).await.unwrap();
            store.change(&message.id, Change::to(Status::Failed, at)).await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn of_many_messages_each_has_its_own_events_in_order() {
        let store = store_with(200).await;
        for nth in 0..200_u64 {
            let id = MessageId(nth.to_string().into());
            let record = store.get(None, &id).await.unwrap().unwrap();
            let events = of(&store, &record).await.unwrap();
            let states: Vec<&str> = events.found.iter().map(|event| event.state.as_str()).collect();
            assert_eq!(states, ["submitted", "failed"], "of message {nth}");
            assert!(events.found.iter().all(|event| event.message == id), "of message {nth}");
            assert!(events.complete);
        }
    }

    #[tokio::test]
    async fn the_search_skips_what_is_older() {
        let store = store_with(200).await;
        let middle = Timestamp(1_000_000 + 100 * 60_000);
        let cursor = before(&store, "demo", middle).await.unwrap();
        let next = store.events_after("demo", cursor, 3).await.unwrap();
        let place = next.iter().position(|event| &*event.message.0 == "100");
        assert!(matches!(place, Some(0 | 1)), "at {place:?} of {next:?}");
    }
}
