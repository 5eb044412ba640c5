//! What operators say in the place of a handset, and where Plivo brings what handsets say.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;

use super::asked::Asked;
use super::filter::{strange, twice};
use super::{Admin, Refusal, Told};
use crate::inbound::{Inbound, NotTaken, remarks};

impl Admin {
    /// `POST /inbound?from=&to=&text=`: policies hear it as if the handset had sent it; without `to`, to every sender.
    pub(super) async fn inbound(&self, asked: &Asked) -> Told {
        let (mut sender, mut to, mut text) = (None, None, None);
        let mut faults = twice(&asked.query());
        for (name, value) in asked.query() {
            match name.as_str() {
                "from" => sender = Some(value),
                "to" => to = Some(value).filter(|to| !to.is_empty()),
                "text" => text = Some(value),
                _ => faults.push(strange(&name, "from, to and text")),
            }
        }
        if sender.is_none() || text.is_none() {
            faults.push("`from` and `text` are needed".into());
        }
        let (Some(sender), Some(text)) = (sender, text) else { return Err(Refusal::Query(faults)) };
        let inbound = Inbound::read(&sender, to.as_deref(), text).map_err(|wrong| {
            faults.extend(wrong.iter().map(|fault| {
                format!("`{}` {}", fault.pointer.trim_start_matches('/'), fault.detail)
            }));
        });
        let Some(inbound) = inbound.ok().filter(|_| faults.is_empty()) else {
            return Err(Refusal::Query(faults));
        };
        let chain = Arc::clone(&self.in_force.load().chain);
        let told = inbound.tell(&chain, &self.store, "", "operator").await;
        let made = told.map_err(|not| match not {
            NotTaken::Failed(policy, _) => Refusal::PolicyFailed(policy.as_str().to_owned()),
            NotTaken::Unwritten(err) => Refusal::Store(err),
        })?;
        Ok((StatusCode::OK, remarks(&made)))
    }

    /// `GET /inbound`: the URL that a number's message URL at Plivo is set to.
    pub(super) fn inbound_url(&self) -> Told {
        let place = self.callbacks.as_ref().ok_or(Refusal::NoCallbacks)?;
        let heard = self.in_force.load().chain.hears_inbound();
        Ok((StatusCode::OK, json!({"url": place.inbound_url(), "heard": heard})))
    }
}
