//! One connection: HTTP until a fault is due, then the socket by hand.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{DATE, Entry};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::answer::answer;
use crate::reply;
use crate::shared::Shared;

/// Longest time for the head of a request.
const HEAD: Duration = Duration::from_secs(30);
/// Most bytes of a head; beyond it hyper answers 431.
const MOST_HEAD: usize = 64 * 1024;
/// Longest time for the bytes of a cut answer.
const CUT: Duration = Duration::from_secs(5);

/// What happens to a connection instead of an answer.
pub(crate) enum Fault {
    /// RST.
    Reset,
    /// These bytes, which may be none, then FIN.
    Cut(Bytes),
}

/// A request's way to its connection.
#[derive(Clone)]
pub(crate) struct Peer {
    /// Counted from 1.
    pub(crate) connection: u64,
    /// Whether it came by the control listener, which answers `/_sim` only.
    pub(crate) control: bool,
    faults: mpsc::Sender<Fault>,
}

impl Peer {
    /// Hands the connection over to `fault`; what waits here is dropped with the connection.
    pub(crate) async fn fail(&self, fault: Fault) -> ! {
        // The connection may have gone already, which is as good.
        let _ = self.faults.send(fault).await;
        pending().await
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>, control: bool) {
    // A peer that went away between accept and here shows itself at the first read.
    let _ = stream.set_nodelay(true);
    let (faults, mut fault) = mpsc::channel(1);
    let peer = Peer { connection: shared.next_connection(), control, faults };
    let mut cut = shared.cut.subscribe();
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, peer) = (Arc::clone(&shared), peer.clone());
        async move {
            let mut reply = answer(&shared, &peer, request).await;
            // A step may have one of its own.
            if let Entry::Vacant(date) = reply.headers_mut().entry(DATE) {
                date.insert(reply::date(shared.look(|world| world.messages.now())));
            }
            Ok::<_, Infallible>(reply)
        }
    });
    let mut http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MOST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let fault = loop {
        tokio::select! {
            // A peer that breaks off or breaks the protocol is no fault of the simulator.
            _ = &mut http => return,
            Some(fault) = fault.recv() => break fault,
            Ok(()) = cut.changed() => std::pin::Pin::new(&mut http).graceful_shutdown(),
        }
    };
    let mut stream = http.into_parts().io.into_inner();
    match fault {
        // Closing a socket that may not linger resets the connection.
        Fault::Reset => drop(stream.set_zero_linger()),
        Fault::Cut(bytes) => {
            let cut = async {
                stream.write_all(&bytes).await?;
                stream.shutdown().await
            };
            // The peer may break off, or not read, which only ends this connection.
            let _ = tokio::time::timeout(CUT, cut).await;
        }
    }
}
