//! A connection whose heads arrive, and whose answers are read, in time.
//!
//! hyper has one timeout for both an idle kept connection and a head that arrives byte by byte. The two want different
//! bounds: closing idle connections soon makes clients send into closed ones, and leaving slow heads alone lets a few
//! clients hold every place. So hyper's is used for idleness, and slowness is timed here.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::requests::Requests;

/// How long a peer may take nothing of an answer that is written to it.
const UNREAD: Duration = Duration::from_secs(30);

/// What a peer is told whose head began and did not arrive in time (RFC 9110 section 15.5.9).
const TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// A stream that fails to read once a head has taken too long, and says so to the peer. The first head's time begins
/// with the connection.
pub(super) struct Paced<S> {
    stream: S,
    requests: Requests,
    most: Duration,
    /// Set while a head is arriving.
    head: Option<Pin<Box<Sleep>>>,
    /// Whether any byte of that head is there.
    has_begun: bool,
    /// How many heads had arrived whole when it was last looked.
    heads: u64,
    /// Set while the peer takes nothing of an answer.
    unread: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, requests: Requests, most: Duration) -> Self {
        let head = Some(Box::pin(sleep_until(Instant::now() + most)));
        Self { stream, requests, most, head, has_begun: false, heads: 0, unread: None }
    }
}

impl<S> Paced<S> {
    /// Forgets a head that has arrived whole.
    fn look(&mut self) {
        let heads = self.requests.heads();
        if heads != self.heads {
            (self.heads, self.head, self.has_begun) = (heads, None, false);
        }
    }

    /// Fails where the peer has taken nothing for [`UNREAD`].
    fn taken<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.unread = None;
            return written;
        }
        let unread =
            self.unread.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + UNREAD)));
        match unread.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> Paced<S> {
    /// Tells the peer, as far as it takes it at once, unless nothing of a head came or part of an answer stands before.
    fn tell_too_slow(&mut self, cx: &mut Context<'_>) {
        if self.has_begun && self.unread.is_none() {
            // The connection ends either way.
            drop(Pin::new(&mut self.stream).poll_write(cx, TOO_SLOW));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.look();
        if self.requests.serving() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() && buf.filled().len() > before {
            self.has_begun = true;
            let most = self.most;
            self.head.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + most)));
        }
        let late = |head: &mut Pin<Box<Sleep>>| head.as_mut().poll(cx).is_ready();
        if read.is_pending() && self.head.as_mut().is_some_and(late) {
            self.tell_too_slow(cx);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.taken(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.taken(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.taken(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Instant, advance};

    use super::{Paced, Requests, UNREAD};

    const MOST: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_is_ended_in_time() {
        let (_client, server) = duplex(64);
        let began = Instant::now();

        let read = Paced::new(server, Requests::default(), MOST).read_u8().await;

        assert_eq!(read.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_is_ended_though_bytes_keep_coming() {
        let (mut client, server) = duplex(64);
        let mut paced = Paced::new(server, Requests::default(), MOST);

        for _ in 0..4 {
            client.write_u8(b'G').await.unwrap();
            paced.read_u8().await.unwrap();
            advance(Duration::from_secs(1)).await;
        }

        assert_eq!(paced.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_peer_whose_head_began_is_told_that_it_was_too_slow() {
        for (sent, wanted) in [(&b"G"[..], super::TOO_SLOW), (b"", b"")] {
            let (mut client, server) = duplex(256);
            let mut paced = Paced::new(server, Requests::default(), MOST);
            client.write_all(sent).await.unwrap();

            let mut read = Vec::new();
            assert_eq!(paced.read_to_end(&mut read).await.unwrap_err().kind(), ErrorKind::TimedOut);
            drop(paced);

            let mut told = Vec::new();
            client.read_to_end(&mut told).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&told), String::from_utf8_lossy(wanted));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_came_in_one_piece_leaves_nothing_to_time() {
        let (mut client, server) = duplex(64);
        let requests = Requests::default();
        let mut paced = Paced::new(server, requests.clone(), MOST);
        for _ in 0..4 {
            client.write_u8(b'r').await.unwrap();
            paced.read_u8().await.unwrap();
            // Served without a read meanwhile, as a request is that has no body.
            requests.begin();
            requests.end(0);

            let (next, ()) = tokio::join!(paced.read_u8(), async {
                tokio::time::sleep(MOST * 3).await;
                client.write_u8(b'n').await.unwrap();
            });
            assert_eq!(next.unwrap(), b'n');
            requests.begin();
            requests.end(0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_no_answer_is_given_up() {
        let (_client, server) = duplex(8);
        let began = Instant::now();

        let written = Paced::new(server, Requests::default(), MOST).write_all(&[0; 9]).await;

        assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), UNREAD);
    }

    #[tokio::test(start_paused = true)]
    async fn neither_a_body_nor_an_idle_connection_is_timed_here() {
        let (mut client, server) = duplex(64);
        let requests = Requests::default();
        let mut paced = Paced::new(server, requests.clone(), MOST);
        client.write_all(b"h").await.unwrap();
        paced.read_u8().await.unwrap();

        requests.begin();
        let (body, ()) = tokio::join!(paced.read_u8(), async {
            tokio::time::sleep(MOST * 3).await;
            client.write_u8(b'b').await.unwrap();
        });
        assert_eq!(body.unwrap(), b'b');

        requests.end(0);
        let (next, ()) = tokio::join!(paced.read_u8(), async {
            tokio::time::sleep(MOST * 3).await;
            client.write_u8(b'n').await.unwrap();
        });
        assert_eq!(next.unwrap(), b'n');
        assert_eq!(
            paced.read_u8().await.unwrap_err().kind(),
            ErrorKind::TimedOut,
            "the next head has begun"
        );
    }
}
