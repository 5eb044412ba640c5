//! What apps tell: what handsets answered them, and that a recipient did what a message was for.

use http::{Request, StatusCode};
use hyper::body::Body as _;
use message::{Fault, Sender};
use policy_host::{Afterwards, PolicyFailure, PolicyName, Receipt};
use serde_json::json;

use super::answer::Answer;
use super::faults::Faults;
use super::fields::Fields;
use super::refusal::{Plain, Refusal, Refuser};
use super::{Call, Gateway, json};
use crate::inbound::{Inbound, NotTaken, remarks};
use crate::listen::Received;

impl Gateway {
    /// `POST /v1/inbound`: a message from a handset that came to the app.
    pub(super) async fn inbound(
        &self,
        call: Call,
        request: Request<Received>,
    ) -> Result<Answer, Refusal> {
        let bytes = self.body(request).await?;
        let inbound = read(&call, &bytes)?;
        let chain = &call.in_force.chain;
        let told = inbound.tell(chain, &self.store, &call.app.name, "inbound").await;
        let made = told.map_err(|not| match not {
            NotTaken::Failed(policy, failure) => failed(&policy, failure),
            NotTaken::Unwritten(_) => Plain::StoreAway.into(),
        })?;
        Ok(Answer::json(StatusCode::OK, &remarks(&made)))
    }

    /// `POST /v1/messages/{id}/converted`: the recipient did what the message was for. Told again, it is told again.
    pub(super) async fn converted(
        &self,
        call: &Call,
        id: &str,
        request: Request<Received>,
    ) -> Result<Answer, Refusal> {
        if !request.body().is_end_stream() {
            let fields = Fields::of(json::read(&self.body(request).await?)?)?;
            let faults = fields.finish_strictly("send no body, or `{}`");
            if !faults.is_empty() {
                return Err(faults.into());
            }
        }
        let record = self.own(call, id).await?;
        let about =
            Afterwards { id: &record.id, app: &record.app, door: &record.door, now: call.now };
        let receipt = Receipt {
            kind: record.kind,
            to: record.to.as_ref(),
            sender: &record.sender,
            intent: &record.intent,
            state: "converted",
            error_code: "",
            units: None,
            total_rate: "",
        };
        let told = call.in_force.chain.tell_receipt(about, receipt).await;
        told.map_err(|(policy, failure)| failed(&policy, failure))?;
        Ok(Answer::json(StatusCode::OK, &json!({"id": record.id.0, "converted": true})))
    }
}

/// A policy could not hear it; the app is to tell it again.
fn failed(policy: &PolicyName, failure: PolicyFailure) -> Refusal {
    let policy = Refuser { name: policy.as_str().to_owned(), version: None };
    Refusal::PolicyFailed { policy, failure }
}

/// The message, if the app may speak for what it was sent to.
fn read(call: &Call, bytes: &[u8]) -> Result<Inbound, Faults> {
    let mut fields = Fields::of(json::read(bytes)?)?;
    let mut needed = |name: &str, code: &str, detail: &str| {
        let before = fields.faults.told().len();
        let value = fields.string(name);
        if value.is_none() && fields.faults.told().len() == before {
            fields.fault(format!("/{name}"), code, detail);
        }
        value.unwrap_or_default()
    };
    let sender = needed("from", "phone.missing", "is missing; give the handset's number");
    let to = needed("to", "sender.missing", "is missing; give what it was sent to");
    let text = fields.string("text").unwrap_or_default();
    let mut faults = fields.finish_strictly("send `from`, `to` and `text`");
    let is_own = |to: &Sender| call.app.senders.as_ref().is_none_or(|own| own.contains(to));
    let sent_to = Sender::parse_any(&to, "/to").ok();
    let inbound = Inbound::read(&sender, Some(&to), text);
    let found = inbound.as_ref().err().into_iter().flatten().cloned();
    // What cannot be read, or is not there, is no faulty number as well.
    let told: Vec<String> = faults.told().iter().map(|fault| fault.pointer.clone()).collect();
    faults.extend(found.filter(|fault| !told.contains(&fault.pointer)));
    if sent_to.is_some_and(|to| !is_own(&to)) {
        let detail = "is not one of the senders that the configuration gives this app";
        faults.push(Fault::new("/to", "sender.not_allowed", detail));
    }
    match inbound {
        Ok(inbound) if faults.is_empty() => Ok(inbound),
        _ => Err(faults),
    }
}
