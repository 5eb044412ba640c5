//! The dashboard: one page for operators, and what it shows while it is open.
//!
//! It shows what `/policies`, `/readyz` and `/messages` tell, and nothing whole: numbers are masked, texts left out. It
//! changes something by the same doors as everybody else, with the operator's token. Nobody waits for it: requests note
//! their decisions in a ring, and whoever watches reads there at its own pace, and is told what it missed.

mod feed;
mod limits;
mod page;
mod state;
mod stream;

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::{Either, Full};
use message::Ledger;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::asked::Asked;
use super::{Admin, Body, Refusal, respond};

pub(crate) use self::feed::Feed;
pub(crate) use self::stream::Events;

use self::page::File;

/// Most who watch at once.
const SEATS: usize = 16;

/// What the dashboard has besides all that the admin listener has.
pub(crate) struct Dashboard {
    feed: Arc<Feed>,
    /// What limits are asked of.
    ledger: Arc<dyn Ledger>,
    /// Ends every stream: the admin listener ends.
    over: CancellationToken,
    seats: Arc<Semaphore>,
    /// What was shown last, and when: whoever watches beside others costs nothing more.
    last: Mutex<Option<(Instant, Bytes)>>,
}

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    File(File),
    State,
    Events,
}

impl Part {
    /// Its paths, for whoever asks for another.
    pub(super) const PATHS: &[&str] = &["GET /", "GET /dashboard/state", "GET /dashboard/events"];

    /// The part that a path leads to, by what stands between its slashes.
    pub(super) fn of(parts: &[&str]) -> Option<Self> {
        match parts {
            [""] => Some(Self::File(File::Page)),
            ["dashboard", "state"] => Some(Self::State),
            ["dashboard", "events"] => Some(Self::Events),
            ["dashboard", name] => File::named(name).map(Self::File),
            _ => None,
        }
    }

    /// Whether it is the same for everybody, so that a link on any page may lead there.
    pub(super) fn is_public(self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl Dashboard {
    pub(crate) fn new(feed: Arc<Feed>, ledger: Arc<dyn Ledger>, over: CancellationToken) -> Self {
        let (seats, last) = (Arc::new(Semaphore::new(SEATS)), Mutex::default());
        Self { feed, ledger, over, seats, last }
    }
}

impl Admin {
    pub(super) async fn show(self: &Arc<Self>, part: Part, asked: &Asked) -> Response<Body> {
        match part {
            Part::File(file) => file.response().map(Either::Left),
            Part::State => {
                let mut response = Response::new(Either::Left(Full::new(self.state().await)));
                page::describe(response.headers_mut(), "application/json");
                response
            }
            Part::Events => match Arc::clone(&self.dashboard.seats).try_acquire_owned() {
                Ok(seat) => stream::open(Arc::clone(self), seat, &asked.headers),
                Err(_) => {
                    let full = Refusal::Watched(SEATS);
                    let mut response = respond(full.status(), &full.body());
                    full.describe(response.headers_mut());
                    response.map(Either::Left)
                }
            },
        }
    }
}
