//! What an app may look up: its messages, its policies, its limits.

mod paging;

use std::ops::Range;
use std::time::Duration;

use http::StatusCode;
use message::{Fault, MessageId};
use serde_json::{Value, json};
use store::{Filter, Record, Status, Store, StoreError};
use url::form_urlencoded;

use self::paging::Paging;
use super::answer::{Answer, api_id};
use super::refusal::{Plain, Refusal};
use super::{Call, Gateway, json, shown};
use crate::policies;
use crate::query::repeated;
use crate::whole::whole;

/// Most records of one page.
const PAGE: usize = 100;
/// How long a look-up waits for what was written before it.
pub(super) const CATCH_UP: Duration = Duration::from_secs(1);
/// Most records counted and paged through on Plivo's door: its offsets are walked, not looked up.
const DEPTH: usize = 1_000;

impl Gateway {
    /// `GET /v1/messages/{id}`
    pub(super) async fn message(&self, call: &Call, id: &str) -> Result<Answer, Refusal> {
        let record = self.own(call, id).await?;
        Ok(Answer::json(StatusCode::OK, &shown::native(&record)))
    }

    /// `GET /v1/messages?status=&to=&after=&limit=`, newest first.
    pub(super) async fn list(&self, call: &Call, query: &str) -> Result<Answer, Refusal> {
        let mut filter =
            Filter { app: Some(call.app.name.clone()), limit: PAGE, ..Filter::default() };
        let twice =
            |name: &String| fault(&format!("/{}", json::escape(name)), "stands more than once");
        let mut faults: Vec<Fault> = repeated(query).iter().map(twice).collect();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "status" => match Status::from_word(&value) {
                    Some(status) => filter.status = Some(status),
                    None => {
                        let words: Vec<_> = Status::ALL.into_iter().map(Status::as_str).collect();
                        let detail = format!("is none of {}", words.join(", "));
                        faults.push(fault("/status", &detail));
                    }
                },
                // A plus sign that is not escaped is a space here.
                "to" if !self.store.finds_numbers() => {
                    faults.push(fault("/to", &format!("cannot be looked for: {NOT_KEPT}")));
                }
                "to" => match message::E164::parse(&value.replacen(' ', "+", 1), "/to") {
                    Ok(to) => filter.to = Some(to),
                    Err(fault) => faults.push(fault),
                },
                "after" => filter.after = Some(MessageId::named(&value)),
                "limit" => match whole(&value) {
                    Some(limit @ 1..=PAGE) => filter.limit = limit,
                    _ => faults.push(fault("/limit", "is not a number between 1 and 100")),
                },
                _ => faults.push(fault(
                    &format!("/{}", json::escape(&name)),
                    "is no filter; use status, to, after, limit",
                )),
            }
        }
        self.store.caught_up(CATCH_UP).await;
        if let Some(after) = &filter.after {
            let found = self.store.get(Some(&call.app.name), after).await;
            if found.map_err(|_| Plain::StoreAway)?.is_none() && !after.grows_with_time() {
                faults.push(not_after());
            }
        }
        if !faults.is_empty() {
            return Err(faults.into());
        }
        let page = self.store.list(&filter).await.map_err(|err| match err {
            StoreError::NotFound => Refusal::from(vec![not_after()]),
            _ => Plain::StoreAway.into(),
        })?;
        let messages: Vec<Value> = page.records.iter().map(shown::native).collect();
        let next = page.next.map(|id| id.to_string());
        Ok(Answer::json(StatusCode::OK, &json!({"messages": messages, "next": next})))
    }

    /// `GET /v1/Account/{auth_id}/Message/{uuid}/`, by Plivo's UUID or by our id.
    pub(super) async fn plivo_message(
        &self,
        call: &Call,
        account: &str,
        id: &str,
    ) -> Result<Answer, Refusal> {
        let record = self.own(call, id).await?;
        let mut body = shown::plivo(&record, account);
        body["api_id"] = api_id().into();
        Ok(Answer::json(StatusCode::OK, &body))
    }

    /// `GET /v1/Account/{auth_id}/Message/?limit=&offset=`: the newest 1,000, as Plivo pages them.
    pub(super) async fn plivo_list(
        &self,
        call: &Call,
        account: &str,
        query: &str,
    ) -> Result<Answer, Refusal> {
        let paging = Paging::read(query)?;
        self.store.caught_up(CATCH_UP).await;
        let (records, total) = newest(&self.store, &call.app.name, paging.places(DEPTH))
            .await
            .map_err(|_| Plain::StoreAway)?;
        let objects: Vec<Value> =
            records.iter().map(|record| shown::plivo(record, account)).collect();
        let meta = paging.meta(total, account);
        Ok(Answer::json(
            StatusCode::OK,
            &json!({"api_id": api_id(), "meta": meta, "objects": objects}),
        ))
    }

    /// A message of this app, by our id or by Plivo's.
    pub(super) async fn own(&self, call: &Call, id: &str) -> Result<Record, Refusal> {
        let app = &call.app.name;
        let is_all = self.store.caught_up(CATCH_UP).await;
        let found = self.store.find(Some(app), id).await.map_err(|_| Plain::StoreAway)?;
        // What the store could not write yet may be what is asked for.
        let missing = if is_all { Plain::NoSuchMessage } else { Plain::StoreAway };
        found.ok_or_else(|| missing.into())
    }
}

/// The app's records at `places`, newest first, and how many it has; both end at [`DEPTH`].
async fn newest(
    store: &Store,
    app: &str,
    places: Range<usize>,
) -> Result<(Vec<Record>, usize), StoreError> {
    let (mut found, mut total) = (Vec::new(), 0);
    let mut filter = Filter { app: Some(app.to_owned()), limit: PAGE, ..Filter::default() };
    while total < DEPTH {
        let page = match store.list(&filter).await {
            Ok(page) => page,
            // The record that the walk stood at has just made room for a new one: the list ends with it.
            Err(StoreError::NotFound) => break,
            Err(err) => return Err(err),
        };
        for (place, record) in (total..DEPTH).zip(page.records) {
            total = place + 1;
            if places.contains(&place) {
                found.push(record);
            }
        }
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    Ok((found, total))
}

/// `GET /v1/policies`: the chain as this app meets it.
pub(super) fn policies(call: &Call) -> Answer {
    let chain = &call.in_force.chain;
    let listed: Vec<Value> =
        chain.policies_for(&call.app.name).map(|policy| policies::describe(policy)).collect();
    let body =
        json!({"app": call.app.name, "generation": chain.generation().0, "policies": listed});
    Answer::json(StatusCode::OK, &body)
}

/// # Errors
///
/// Every parameter in the URL of a request that takes none, which is said of each.
pub(super) fn without_query(query: &str, said: &str) -> Result<(), Refusal> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        if !names.iter().any(|known| *known == *name) {
            names.push(name.into_owned());
        }
    }
    let stray = |name: &String| fault(&format!("/{}", json::escape(name)), said);
    let faults: Vec<Fault> = names.iter().map(stray).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
}

/// Why nothing is found by its recipient.
pub(crate) const NOT_KEPT: &str =
    "no number is kept of what has been sent ([store] numbers = \"none\")";

fn not_after() -> Fault {
    fault("/after", "is no message of this app")
}

fn fault(pointer: &str, detail: &str) -> Fault {
    Fault::new(pointer, "body.bad_filter", detail)
}

#[cfg(test)]
mod tests {
    use message::{E164, Message, MessageId, Segments, Sender, Timestamp};
    use store::{NewMessage, Record, Store, StoreOptions};

    use super::newest;

    async fn records(app: &str, count: usize) -> Store {
        let store = Store::open(StoreOptions::default(), Timestamp(1)).unwrap();
        for owner in [app, "another"] {
            for nth in 0..count {
                let message = Message::plain(
                    MessageId(format!("{owner}-{nth}").into()),
                    E164::parse("+14155550123", "/to").unwrap(),
                    Sender::ShortCode("12345".into()),
                    "",
                );
                let record = Record::of(
                    &message,
                    Segments::of(""),
                    owner,
                    "messages",
                    Timestamp(1),
                    Timestamp(2),
                );
                let new = NewMessage { record, text: String::new(), holds: vec![] };
                store.accept(vec![new], None).await.unwrap();
            }
        }
        store
    }

    #[tokio::test]
    async fn an_apps_newest_are_counted_and_found_by_their_place_down_to_the_depth() {
        for (count, places, total, found) in [
            (0, 0..20, 0, vec![]),
            (3, 0..20, 3, vec![2, 1, 0]),
            (100, 98..118, 100, vec![1, 0]),
            (250, 99..102, 250, vec![150, 149, 148]),
            (1_000, 999..1_000, 1_000, vec![0]),
            (1_150, 998..1_000, 1_000, vec![151, 150]),
            (1_150, 1_000..1_000, 1_000, vec![]),
        ] {
            let store = records("billing", count).await;
            let (seen, counted) = newest(&store, "billing", places.clone()).await.unwrap();
            let seen: Vec<String> = seen.into_iter().map(|record| record.id.to_string()).collect();
            let found: Vec<String> = found.iter().map(|nth| format!("billing-{nth}")).collect();
            assert_eq!((seen, counted), (found, total), "{places:?} of {count}");
        }
    }
}
