//! `GET /v1/events`: what became of an app's messages, for apps that listen nowhere.

use http::StatusCode;

use super::answer::Answer;
use super::refusal::{Plain, Refusal};
use super::{Call, Gateway};
use crate::relay::{Asked, Source};

impl Gateway {
    /// The app's events after its cursor; waits for one where it is asked to.
    pub(super) async fn events(&self, call: &Call, query: &str) -> Result<Answer, Refusal> {
        let source = Source::of(&self.store);
        let asked = Asked::read(query, &source)?;
        let told = asked.answer(&self.store, &call.app.name, &source, &self.draining).await;
        let body = told.map_err(|_| Plain::StoreAway)?;
        Ok(Answer::json(StatusCode::OK, &body))
    }
}
