//! In the place of the dashboard where it is not built in.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Empty;
use message::Ledger;
use policy_host::{Cleared, NotCleared};
use tokio_util::sync::CancellationToken;

use super::asked::Asked;
use super::{Admin, Body};

/// What no answer is.
pub(crate) type Events = Empty<Bytes>;

#[derive(Debug, Default)]
pub(crate) struct Feed;

pub(crate) struct Dashboard;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part(Infallible);

impl Feed {
    pub(crate) fn saw(&self, _: &str, _: &'static str, _: &Result<Cleared, Box<NotCleared>>) {}
}

impl Dashboard {
    pub(crate) fn new(_: Arc<Feed>, _: Arc<dyn Ledger>, _: CancellationToken) -> Self {
        Self
    }
}

impl Part {
    pub(super) const PATHS: &[&str] = &[];

    pub(super) fn of(_: &[&str]) -> Option<Self> {
        None
    }

    pub(super) fn is_public(self) -> bool {
        match self.0 {}
    }
}

impl Admin {
    #[expect(clippy::unused_async, reason = "the dashboard's is")]
    pub(super) async fn show(self: &Arc<Self>, part: Part, _: &Asked) -> Response<Body> {
        let Dashboard = &self.dashboard;
        match part.0 {}
    }
}
