//! A request's body, and what becomes of one that nobody reads.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout;

/// Most bytes that are read and thrown away of a body that is for nobody or too large: most clients read an answer only
/// once they have written all of it.
pub(crate) const DISCARDED: usize = 16 << 20;
/// How long such a body may pause: it is on its way, or will not come.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);
/// How long it may take in all.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body of a request. Clones share it.
#[derive(Clone)]
pub(crate) struct Received(Arc<Mutex<State>>);

struct State {
    body: Incoming,
    /// Its client sends nothing before it is told to, which the first read does.
    asks_first: bool,
    is_over: bool,
}

impl Received {
    pub(super) fn new(body: Incoming, asks_first: bool) -> Self {
        let is_over = body.is_end_stream();
        Self(Arc::new(Mutex::new(State { body, asks_first, is_over })))
    }

    /// Sees to it that the connection that it came on goes on after `response`, or that this says that it does not: else
    /// the client's next request would be lost with it.
    pub(super) async fn finish<B>(mut self, response: &mut Response<B>) {
        let is_left = {
            let state = self.state();
            let is_short = state.body.size_hint().lower() <= DISCARDED as u64;
            !state.is_over && !state.asks_first && is_short
        };
        if is_left && !response.headers().contains_key(header::CONNECTION) {
            drop(timeout(PATIENCE, self.read_rest()).await);
        }
        if !self.state().is_over {
            let close = header::HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
    }

    async fn read_rest(&mut self) {
        let mut seen = 0;
        while let Ok(Some(Ok(frame))) = timeout(PAUSE, self.frame()).await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > DISCARDED {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut state = self.state();
        state.asks_first = false;
        let polled = Pin::new(&mut state.body).poll_frame(cx);
        state.is_over |= matches!(polled, Poll::Ready(None));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.state().is_over
    }

    fn size_hint(&self) -> SizeHint {
        self.state().body.size_hint()
    }
}
