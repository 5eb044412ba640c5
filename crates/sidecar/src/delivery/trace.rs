//! Where attempts belong in the app's trace.

use tracing::Span;

use crate::spans;

/// The request's trace, for as long as attempts are part of it.
pub(super) struct Trace {
    /// The request's span: the first attempt's parent, let go of then, so that it can end.
    request: Option<Span>,
    /// What later attempts link to.
    traceparent: Option<String>,
}

impl Trace {
    /// Of the request that is being served now.
    pub(super) fn current() -> Self {
        let request = Span::current();
        Self { traceparent: telemetry::traceparent(&request), request: Some(request) }
    }

    /// Of a request that is over.
    pub(super) fn past(traceparent: Option<String>) -> Self {
        Self { request: None, traceparent }
    }

    /// What is sent from here on is no part of the request: it ends now, and not when the message does.
    pub(super) fn leave(&mut self) {
        self.request = None;
    }

    pub(super) fn span(&mut self, nth: u32) -> Span {
        if let Some(request) = self.request.take() {
            return request;
        }
        let span = spans::retry(nth);
        if let Some(traceparent) = &self.traceparent {
            telemetry::link(&span, traceparent);
        }
        span
    }
}
