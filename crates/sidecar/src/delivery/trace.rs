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
        self.request.take().unwrap_or_else(|| self.linked(spans::retry(nth)))
    }

    pub(super) fn second_look(&self, id: &str) -> Span {
        self.linked(spans::second_look(id))
    }

    fn linked(&self, span: Span) -> Span {
        if let Some(traceparent) = &self.traceparent {
            telemetry::link(&span, traceparent);
        }
        span
    }
}
