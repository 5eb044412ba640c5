//! How a message's way ends, and who hears of it.

use policy_host::Afterwards;
use store::{Change, Settle, Status};

use super::accepted::Accepted;
use super::journey::Journey;
use super::judge::End;
use super::{News, Word, now};

impl Journey {
    /// Tells everybody how it ended: the app, the store until it has heard, then the ledger and the policies.
    pub(super) async fn arrive(&mut self, end: End) {
        let end = if self.may_be_sent { end.at_least_once() } else { end };
        let mut end = self.unless_reported(end);
        let id = self.accepted.message.id.clone();
        let at = now();
        let account = self.delivery.account();
        let uuid = if let News::Submitted(uuid) = &end.news { Some(uuid.clone()) } else { None };
        let is_held = end.status == Status::Held;
        let (attempt, extra_uuids) = self.last_call.take().unzip();
        let change = Change {
            attempt,
            extra_uuids: extra_uuids.unwrap_or_default(),
            status: Some(end.status),
            next_look: (end.status == Status::Submitted)
                .then(|| self.delivery.first_look(&account, at)),
            message_uuid: uuid.clone(),
            error_code: end.code.as_deref().map(str::to_owned),
            // What is held stays open until somebody says what becomes of the message.
            settle: if is_held { Settle::NotYet } else { Settle::As(end.settlement) },
            ..Change::at(at)
        };
        store::fail::point("delivery.outcome");
        // Nobody is told before it is written: after a crash it would be in doubt, and be sent again where Plivo's list is
        // late, or beside the app's own second try.
        let commit = self.delivery.store.change(&id, change.clone());
        let stands = self.written(commit, change).await;
        store::fail::point("delivery.written");
        let overtaken = match stands {
            Some(stands) if stands == end.status => self.is_reported(&end).await.then_some(stands),
            other => other,
        };
        if let Some(stands) = overtaken {
            // A report that came in between has the last word; Plivo's id of it is what the app asks by.
            let reported = End::reported(stands);
            let news = if uuid.is_some() { end.news } else { reported.news };
            end = End { news, ..reported };
        }
        let End { status, told, news, settlement, code } = end;
        let news = match news {
            // Not written, the next process finds it in doubt, and may send it.
            _ if stands.is_none() => News::Ended(Status::InDoubt, None),
            News::Ended(status, None) if told == policy_host::Outcome::Accepted => {
                News::Ended(status, self.reported_uuid().await)
            }
            news => news,
        };
        self.tell.send_replace(news);
        // Only now, so that nobody takes what Plivo has of this message for another's.
        if told == policy_host::Outcome::InDoubt {
            self.give_up();
        }
        self.unsettled = None;
        tracing::info!(
            message.id = %id, status = status.as_str(), code = code.as_deref(), message_uuid = uuid, attempts = self.attempts,
            "a message's way to Plivo has ended"
        );
        if status == Status::Held {
            return;
        }
        self.delivery.settle(std::mem::take(&mut self.accepted.holds), settlement).await;
        if let Some(chain) = account.chain.upgrade() {
            let Accepted { app, door, .. } = &self.accepted;
            chain.tell_outcome(Afterwards { id: &id, app, door, now: now() }, told).await;
        }
    }

    /// Plivo's id, where a report has told it that was not waited for.
    async fn reported_uuid(&self) -> Option<String> {
        let record = self.delivery.store.get(None, &self.accepted.message.id).await.ok()?;
        record?.message_uuid
    }

    /// Whether it is a report's word that it failed, which came in between and says why. Only a call of which nothing was
    /// known can have one.
    async fn is_reported(&self, end: &End) -> bool {
        if end.status != Status::Failed || !self.may_be_sent && self.attempts < 2 {
            return false;
        }
        let record = self.delivery.store.get(None, &self.accepted.message.id).await.ok().flatten();
        record.is_some_and(|record| record.error_code.as_deref() != end.code.as_deref())
    }

    /// What others have said while nobody listened: that Plivo has the message, whatever its way came to here; that it
    /// is not to be sent any more, which is the end of one that would be held.
    fn unless_reported(&mut self, end: End) -> End {
        let mut is_canceled = false;
        while let Ok(word) = self.inbox.try_recv() {
            match word {
                Word::Reported(uuid) if !matches!(end.news, News::Submitted(_)) => {
                    return End::submitted(&uuid);
                }
                Word::Reported(_) => {}
                Word::Cancel => is_canceled = true,
            }
        }
        if is_canceled && end.status == Status::Held {
            return End::unknown(Status::Canceled, "send.canceled_in_doubt");
        }
        end
    }
}
