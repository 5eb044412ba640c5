//! What a person decides about a message, and about events that were given up.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use message::{MessageId, Timestamp};
use serde_json::{Value, json};
use store::{Record, Status};
use tokio::time::{Instant, sleep, timeout};

use super::asked::Asked;
use super::filter::wanted_app;
use super::{Admin, Refusal, Told};
use crate::delivery::SHORTEST;

/// How long the answer to a cancel waits for its effect.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a release waits for its turn; it is not carried out later.
const RELEASE: Duration = Duration::from_secs(8);
/// Between two looks meanwhile.
const LOOK: Duration = Duration::from_millis(10);

impl Admin {
    /// `POST /messages/{id}/release`: a message in doubt, or a held one, is sent.
    pub(super) async fn release(&self, id: &str) -> Told {
        let record = self.record(id).await?;
        if !matches!(record.status, Status::InDoubt | Status::Held) {
            return Err(Refusal::NotHeld(record.status));
        }
        let now: Timestamp = SystemTime::now().into();
        if record.deadline.since(now) < SHORTEST {
            return Err(Refusal::TooLate);
        }
        timeout(RELEASE, self.released(id, &record.id))
            .await
            .map_err(|_late| Refusal::UnderWay)??;
        tracing::info!(message.id = %record.id, app = record.app, "an operator has released a message");
        Ok((StatusCode::OK, told(&record.id, Status::Waiting)))
    }

    /// Where Plivo's list is asked just then, its answer comes first; so does what brings a message into doubt, of which
    /// the record may tell a moment earlier.
    async fn released(&self, id: &str, message: &MessageId) -> Result<(), Refusal> {
        while !self.delivery.release(message).await? {
            match self.record(id).await?.status {
                Status::InDoubt => sleep(LOOK).await,
                status => return Err(Refusal::NotHeld(status)),
            }
        }
        Ok(())
    }

    /// `POST /messages/{id}/cancel`: a message that no call is out for is not sent any more.
    pub(super) async fn cancel(&self, id: &str) -> Told {
        let record = self.record(id).await?;
        let status = record.status;
        if status == Status::Sending {
            return Err(Refusal::UnderWay);
        }
        if !status.is_open() || !self.delivery.cancel(&record.id).await? {
            return Err(Refusal::Gone(self.record(id).await?.status));
        }
        let (id, app) = (&record.id, &record.app);
        match self.closed(id).await?.status {
            Status::Canceled => {
                tracing::info!(message.id = %id, app, "an operator has canceled a message");
                Ok((StatusCode::OK, told(id, Status::Canceled)))
            }
            status if status.is_open() => {
                // It was about to call Plivo when it was told.
                tracing::info!(message.id = %id, app, "an operator wants a message canceled that Plivo was just called for");
                let mut body = told(&record.id, status);
                body["detail"] =
                    "a call to Plivo had begun; if Plivo does not take the message, it is canceled"
                        .into();
                Ok((StatusCode::ACCEPTED, body))
            }
            status => Err(Refusal::Gone(status)),
        }
    }

    /// `POST /events/revive?app=`: the app is called again with what was given up.
    pub(super) async fn revive(&self, asked: &Asked) -> Told {
        let app = wanted_app(&asked.query())?;
        // One that was taken out of the configuration may still be called, at the URLs that its messages named.
        let is_known = self.in_force.load().apps.iter().any(|known| *known.name == *app)
            || !self.store.dead_letters(Some(&app), 1).await?.is_empty();
        if !is_known {
            return Err(Refusal::NoSuchApp);
        }
        self.relay.revive();
        let revived = self.store.revive_dead_letters(&app, SystemTime::now().into()).await?;
        tracing::info!(app, revived, "an operator has revived events");
        Ok((StatusCode::OK, json!({"app": app, "revived": revived})))
    }

    /// The record once the message's way has ended, or as it stands when patience ends.
    async fn closed(&self, id: &MessageId) -> Result<Record, Refusal> {
        let until = Instant::now() + PATIENCE;
        loop {
            let record = self.record(&id.0).await?;
            if !record.status.is_open() || Instant::now() >= until {
                return Ok(record);
            }
            sleep(LOOK).await;
        }
    }
}

fn told(id: &MessageId, status: Status) -> Value {
    json!({"id": id.0, "status": status.as_str()})
}
