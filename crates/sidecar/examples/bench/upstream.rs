//! The plainest server that answers a send as Plivo does: 202 and a fresh UUID, whatever was asked.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use uuid::Uuid;

use crate::Result;
use crate::serve::Answer;

/// Stands for Plivo. `plivo-sim` keeps what it was sent and judges it, which costs more than what is measured here.
pub(crate) struct Upstream;

impl Answer for Upstream {
    async fn answer(&self, request: Request<Incoming>) -> Result<(StatusCode, Bytes)> {
        request.into_body().collect().await?;
        let (api_id, uuid) = (Uuid::new_v4(), Uuid::new_v4());
        let body = format!(
            r#"{{"api_id":"{api_id}","message":"message(s) queued","message_uuid":["{uuid}"]}}"#
        );
        Ok((StatusCode::ACCEPTED, Bytes::from(body)))
    }
}
