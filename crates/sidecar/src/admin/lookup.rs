//! Messages and events, looked up.

use http::StatusCode;
use serde_json::{Value, json};
use store::{Record, StoreError};

use super::asked::Asked;
use super::filter::{Wanted, WantedEvents};
use super::{Admin, Refusal, Told, shown};
use crate::delivery::Reason;
use crate::gateway::NOT_KEPT;

impl Admin {
    /// `GET /messages?app=&status=&to=&after=&limit=&numbers=`, newest first.
    pub(super) async fn messages(&self, asked: &Asked) -> Told {
        let Wanted { filter, full } = Wanted::read(&asked.query())?;
        self.may_see(full, asked)?;
        if filter.to.is_some() && !self.store.finds_numbers() {
            return Err(Refusal::Query(vec![format!("`to` cannot be looked for: {NOT_KEPT}")]));
        }
        let page = self.store.list(&filter).await.map_err(|err| match err {
            StoreError::NotFound => {
                Refusal::Query(vec!["`after` is no message, or none of this app".into()])
            }
            err => err.into(),
        })?;
        let messages: Value = page.records.iter().map(shown::brief).collect();
        let messages = if full { messages } else { shown::masked(messages) };
        let next = page.next.map(|id| id.to_string());
        Ok((StatusCode::OK, json!({"messages": messages, "next": next})))
    }

    /// `GET /messages/{id}?numbers=`
    pub(super) async fn message(&self, id: &str, asked: &Asked) -> Told {
        let full = Wanted::read_full(&asked.query())?;
        self.may_see(full, asked)?;
        let record = self.record(id).await?;
        let events = self.store.events_of(&record.id).await?;
        let mut body = shown::whole(&record, &events, full);
        let upstream = self.delivery.upstream(&record.account);
        let plivo = upstream.as_ref().map(|upstream| upstream.standing());
        let troubled = upstream.map(|upstream| upstream.troubled_senders()).unwrap_or_default();
        let own = troubled.into_iter().find(|(sender, _)| *sender == record.sender);
        // Both null where the configuration does not have its account any more.
        body["plivo"] = json!({
            "account": record.account,
            "breaker": plivo.map(|plivo| plivo.state.as_str()),
            "reason": plivo.and_then(|plivo| plivo.reason).map(Reason::as_str),
            // Null where it is closed.
            "sender": own.map(|(_, own)| json!({
                "breaker": own.state.as_str(),
                "reason": own.reason.map(Reason::as_str),
            })),
        });
        Ok((StatusCode::OK, if full { body } else { shown::masked(body) }))
    }

    /// `GET /events/dead?app=&limit=`, newest first.
    pub(super) async fn dead_events(&self, asked: &Asked) -> Told {
        let WantedEvents { app, limit } = WantedEvents::read(&asked.query())?;
        let dead = self.store.dead_letters(app.as_deref(), limit).await?;
        let events: Value = dead.iter().map(shown::event).collect();
        Ok((StatusCode::OK, json!({"events": shown::masked(events)})))
    }

    /// The message, whosever it is, by our id or by Plivo's.
    pub(super) async fn record(&self, id: &str) -> Result<Record, Refusal> {
        let found = self.store.find(None, id).await?;
        found.ok_or(Refusal::NoSuchMessage)
    }

    /// Whole numbers and contents are for those who have the token.
    fn may_see(&self, full: bool, asked: &Asked) -> Result<(), Refusal> {
        if full {
            asked.is_from_operator(self.in_force.load().admin_token.as_ref())?;
        }
        Ok(())
    }
}
