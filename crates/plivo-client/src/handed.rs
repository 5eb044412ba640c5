//! A body that notes when it was handed over.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Whether the body was handed to a connection, to be asked after the call.
///
/// `false` is certain: no byte of the body was written, and since the head says how long the body is, nobody can have
/// acted on the request. `true` is not: the bytes were given to the connection, which may or may not have written them.
/// A write that fails therefore counts as handed over, on the side of doubt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handed(Arc<AtomicBool>);

/// A body of one piece.
pub(crate) struct NotedBody {
    bytes: Option<Bytes>,
    handed: Handed,
}

impl Handed {
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// `bytes` as a body that notes here.
    pub(crate) fn body(&self, bytes: Bytes) -> NotedBody {
        NotedBody { bytes: Some(bytes), handed: self.clone() }
    }
}

impl Body for NotedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        self.handed.0.store(true, Ordering::Release);
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
