//! What Plivo says became of messages: reports that it sends, and answers to asking.
//!
//! A report is believed where its path carries our token and its body Plivo's signature, and it is answered with 2xx
//! only once it is on disk: everything else makes Plivo send it again (messaging.md 3.10).

pub(crate) mod codes;
pub(crate) mod elsewhere;
mod form;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod listener;
mod nonces;
mod place;
mod poller;
mod spans;
mod state;
mod tally;
#[cfg(test)]
mod testing;
mod tokens;

use std::sync::Arc;
use std::time::SystemTime;

use message::{E164, Timestamp};
use policy_host::{Afterwards, PolicyFailure, PolicyName, Receipt};
use store::{Record, Report, ReportFacts, Reported, Status, Store};

use crate::delivery::{Delivery, Word};
use crate::inbound::NotTaken;

pub(crate) use self::listener::{ReportListener, closed};
pub(crate) use self::place::CallbackPlace;
pub(crate) use self::poller::run as ask;
pub(crate) use self::tally::Tally;
pub(crate) use self::tokens::AuthTokens;

/// Takes reports down, whoever brings them, and tells everybody whom they concern.
pub(crate) struct Reports {
    pub(crate) store: Store,
    pub(crate) delivery: Arc<Delivery>,
}

impl Reports {
    /// Writes a report on `record`'s message down; when this returns, it is on disk, and what policies made of it. `to` is
    /// the recipient as Plivo names it, for where the record does not tell any more.
    ///
    /// # Errors
    ///
    /// A policy could not hear of it now, or the store cannot be written: the message is as it was, so that the report is
    /// news when it is brought again. Policies may have been told.
    pub(crate) async fn take(
        &self,
        record: &Record,
        to: Option<E164>,
        report: Report,
        now: Timestamp,
    ) -> Result<Reported, NotTaken> {
        let facts = report.facts.clone();
        let code = report.error_code.clone();
        let uuid = report.message_uuid.clone();
        // First, so that both are on disk or Plivo says it again; policies may hear it twice then.
        let moves = self.store.would_move(&record.id, &report).await;
        if moves.map_err(NotTaken::Unwritten)? {
            let code = code.as_deref().unwrap_or_default();
            let told = self.tell_policies(record, to, &facts, code, now).await;
            told.map_err(|(policy, failure)| NotTaken::Failed(policy, failure))?;
        }
        let reported = self.store.report(&record.id, report, now).await;
        let reported = reported.map_err(NotTaken::Unwritten)?;
        let (known, told) = (record.message_uuid.as_deref(), uuid.as_deref());
        if known.is_some() && told.is_some() && known != told {
            // Sent twice: after `on_unresolved = "resend"`, or because Plivo split it.
            tracing::warn!(message.id = %record.id, "a report shows that Plivo has a message under two ids");
        }
        if let Some(uuid) = uuid.filter(|_| is_unsettled(reported.before)) {
            // A journey that is still looking for it need look no further.
            self.delivery.say(&record.id, Word::Reported(uuid));
        }
        if reported.moved {
            tracing::info!(message.id = %record.id, from = reported.before.as_str(), to = reported.after.as_str(), plivo.error_code = code.as_deref(), "a delivery report moved a message");
        }
        Ok(reported)
    }

    async fn tell_policies(
        &self,
        record: &Record,
        to: Option<E164>,
        facts: &ReportFacts,
        code: &str,
        now: Timestamp,
    ) -> Result<(), (PolicyName, PolicyFailure)> {
        let Some(chain) = self.delivery.account().chain.upgrade() else { return Ok(()) };
        let about = Afterwards { id: &record.id, app: &record.app, door: &record.door, now };
        let in_short = chain.tell_delivery_report(about, &facts.status, code).await;
        let to = record.to.clone().or(to);
        let receipt = Receipt {
            kind: record.kind,
            to: to.as_ref(),
            sender: &record.sender,
            intent: &record.intent,
            state: &facts.status,
            error_code: code,
            units: facts.units,
            total_rate: facts.total_rate.as_deref().unwrap_or_default(),
        };
        // One that is always out of time keeps no other from hearing.
        chain.tell_receipt(about, receipt).await.and(in_short)
    }
}

/// The wall clock.
fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Whether a task of ours may still be finding out if Plivo has the message.
fn is_unsettled(status: Status) -> bool {
    status.is_open()
}
