//! `GET /v1/events`: an app without a listener asks, and waits for what comes.

use std::time::Duration;

use message::Fault;
use serde_json::{Value, json};
use store::{Store, StoreError};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use super::source::Cursor;
use super::{Source, event};
use crate::query::repeated;
use crate::whole::whole;

/// Longest that an app may wait for an event, in seconds.
const MOST_WAIT_S: u64 = 30;
/// Most events of one answer.
const MOST: u32 = 100;
/// Between two looks while an app waits.
const LOOK: Duration = Duration::from_millis(250);

/// What an app asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// None without a cursor of this store.
    after: Option<u64>,
    /// The cursor is another store's: this one begins at its beginning.
    reset: bool,
    wait: Duration,
    limit: u32,
}

impl Asked {
    /// Reads `after=CURSOR&wait=SECONDS&limit=COUNT`; without a cursor from the oldest event kept, without a wait at
    /// once.
    ///
    /// # Errors
    ///
    /// Every fault, by the parameter's name.
    pub(crate) fn read(query: &str, source: &Source) -> Result<Self, Vec<Fault>> {
        let mut asked = Self { after: None, reset: false, wait: Duration::ZERO, limit: MOST };
        let mut faults = Vec::new();
        let mut fault = |name: &str, detail: &str| {
            // A JSON pointer (RFC 6901 section 3), whatever the parameter is called.
            let name = name.replace('~', "~0").replace('/', "~1");
            faults.push(Fault::new(format!("/{name}"), "body.bad_filter", detail));
        };
        for name in repeated(query) {
            fault(&name, "stands more than once");
        }
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "after" => match source.read(&value) {
                    Some(Cursor::After(number)) => asked.after = Some(number),
                    Some(Cursor::Elsewhere) => asked.reset = true,
                    None => fault("after", "is no cursor; give `next` of an earlier answer"),
                },
                "wait" => match whole(&value) {
                    Some(seconds @ 0..=MOST_WAIT_S) => asked.wait = Duration::from_secs(seconds),
                    _ => fault("wait", "is not a number of seconds between 0 and 30"),
                },
                "limit" => match whole(&value) {
                    Some(limit @ 1..=MOST) => asked.limit = limit,
                    _ => fault("limit", "is not a number between 1 and 100"),
                },
                other => fault(other, "is no parameter; use after, wait, limit"),
            }
        }
        if faults.is_empty() { Ok(asked) } else { Err(faults) }
    }

    /// The app's events, as soon as there is one, or none when the wait is over or the process ends. `next` is always
    /// there; `reset` where events between the cursor and these may have been lost.
    ///
    /// # Errors
    ///
    /// The store's.
    pub(crate) async fn answer(
        &self,
        store: &Store,
        app: &str,
        source: &Source,
        draining: &CancellationToken,
    ) -> Result<Value, StoreError> {
        let (until, after) = (Instant::now() + self.wait, self.after.unwrap_or_default());
        let events = loop {
            let events = store.events_after(app, after, self.limit).await?;
            let left = until.saturating_duration_since(Instant::now());
            if !events.is_empty() || left.is_zero() || draining.is_cancelled() {
                break events;
            }
            tokio::select! {
                () = sleep(LOOK.min(left)) => {}
                () = draining.cancelled() => {}
            }
        };
        let mut shown = Vec::with_capacity(events.len());
        for each in &events {
            let record = store.get(Some(app), &each.message).await?;
            shown.push(event::json(each, record.as_ref(), source));
        }
        // Asked after the events: what goes between the two was seen.
        let gone = store.last_event_gone(app).await?;
        let is_gap = self.reset || self.after.is_some_and(|after| gone > after);
        let last = events.last().map_or(after.max(gone), |last| last.number);
        let mut body = json!({"events": shown, "next": source.cursor(last)});
        if is_gap {
            body["reset"] = true.into();
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests;
