//! Accepting connections within bounds, and letting them end well.

mod bound;
mod inherited;
mod paced;
mod places;
mod received;
mod requests;
mod shed;
mod there;

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::bound::Stream;
use self::paced::Paced;
use self::places::Place;

pub(crate) use self::bound::Bound;
pub(crate) use self::inherited::Inherited;
pub(crate) use self::places::Places;
pub(crate) use self::received::{DISCARDED, PAUSE, Received};
pub(crate) use self::requests::Requests;
pub(crate) use self::shed::TurnedAway;
pub(crate) use self::there::There;

/// How long a connection that ends for another may take to hand its last answer over, and a new one to bring its first
/// request where the listener ends.
const GRACE: Duration = Duration::from_secs(1);

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    Tcp(SocketAddr),
    /// The user whose process connected, as the kernel has it.
    Unix {
        uid: Option<u32>,
    },
}

/// Bounds of one listener.
#[derive(Clone, Debug)]
pub(crate) struct ListenLimits {
    /// One for each connection; listeners that share them share the bound.
    pub(crate) places: Arc<Places>,
    pub(crate) header_bytes: usize,
    pub(crate) header_time: Duration,
    /// How long a kept connection may be idle.
    pub(crate) idle_time: Duration,
    /// Whether it answers what a problem means, at `/problems/CODE`.
    pub(crate) explains: bool,
}

impl Peer {
    /// On this machine: loopback or a Unix-domain socket.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix { .. } => true,
        }
    }
}

impl Bound {
    /// Serves until `stop`; then takes no new connection, lets each open one end its request, and returns when all
    /// have. Each request has its connection's [`Requests`] among its extensions.
    ///
    /// The socket is closed by then, unless somebody else has it too.
    pub(crate) async fn serve<S, F, B>(
        self: Arc<Self>,
        limits: ListenLimits,
        stop: CancellationToken,
        service: S,
    ) where
        S: Fn(Request<Received>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let connections = TaskTracker::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.idle_time)
            .max_buf_size(limits.header_bytes)
            // A client may close its side once it has asked; it still gets its answer.
            .half_close(true);
        let mut patience = shed::PATIENCE;
        let mut told = None::<Instant>;
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // One accepted connection waits for a place at most; the overflow stays in the system's own queue.
                    let place = tokio::select! {
                        place = timeout(patience, Arc::clone(&limits.places).take()) => place,
                        () = stop.cancelled() => break,
                    };
                    let Ok(place) = place else {
                        if let Some(count) = limits.places.turned_away().one_more() {
                            tracing::warn!(
                                count,
                                address = %self.address(),
                                "connections are refused: as many are busy as may be open ([listen] max_connections)"
                            );
                        }
                        shed::turn_away(stream, limits.explains);
                        patience = shed::WHILE_FULL;
                        continue;
                    };
                    patience = shed::PATIENCE;
                    let paced = Paced::new(stream, place.requests().clone(), limits.header_time);
                    let served = Served { peer, place, service: service.clone() };
                    connections.spawn(connection(paced, http.clone(), served, stop.clone()));
                }
                Err(err) => {
                    // Out of descriptors, most likely: going round at once would only burn the core.
                    if told.is_none_or(|told| told.elapsed() >= shed::TOLD_EVERY) {
                        told = Some(Instant::now());
                        tracing::warn!(error = %err, address = %self.address(), "a connection could not be accepted");
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(self);
        connections.close();
        connections.wait().await;
    }
}

/// What answers one connection's requests.
struct Served<S> {
    peer: Peer,
    place: Place,
    service: S,
}

async fn connection<S, F, B>(
    stream: Paced<Box<dyn Stream>>,
    http: http1::Builder,
    served: Served<S>,
    stop: CancellationToken,
) where
    S: Fn(Request<Received>, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let Served { peer, place, service } = served;
    let place = Arc::new(place);
    let requests = place.requests().clone();
    let respond = service_fn(move |request: Request<Incoming>| {
        let begun = place.requests().begin().then(|| {
            let asks_first = request.headers().contains_key(header::EXPECT);
            let mut request = request.map(|body| Received::new(body, asks_first));
            request.extensions_mut().insert(place.requests().clone());
            let body = request.body().clone();
            (service(request, peer.clone()), body, Arc::clone(&place))
        });
        async move {
            // Nothing is done for a connection that is being ended: its peer cannot be told.
            let Some((response, body, place)) = begun else { return std::future::pending().await };
            let mut response = response.await;
            body.finish(&mut response).await;
            place.answered();
            Ok::<_, Infallible>(response)
        }
    });
    let begun = Instant::now();
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), respond));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            // Its request may be on its way, and a connection of which nothing was read yet would be cut.
            match timeout_at(begun + GRACE, served.as_mut()).await {
                Ok(ended) => ended,
                Err(_still_open) => {
                    served.as_mut().graceful_shutdown();
                    served.await
                }
            }
        }
        () = requests.wanted_out() => {
            tracing::debug!(known = requests.is_known(), "an idle connection ends for a new one");
            if !requests.is_known() {
                return;
            }
            served.as_mut().graceful_shutdown();
            // Out of time is as good as ended.
            timeout(GRACE, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(err) = ended {
        tracing::debug!(error = %err, "a connection ended badly");
    }
}
