//! Accepting connections within bounds, and letting them end well.

mod inherited;
mod paced;
mod places;
mod requests;
mod shed;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::paced::Paced;
use self::places::Place;
use crate::config::Address;

pub(crate) use self::inherited::Inherited;
pub(crate) use self::places::Places;
pub(crate) use self::requests::Requests;

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

/// A socket that is bound and not yet served.
#[derive(Debug)]
pub(crate) struct Bound {
    address: Address,
    socket: Socket,
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
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    /// Its file stays where the service manager has made it.
    Unix {
        listener: UnixListener,
        file: Option<SocketFile>,
    },
}

/// Takes the socket's file away when the listener ends.
#[derive(Debug)]
struct SocketFile(PathBuf);

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
    /// Binds `address`, or takes the socket that was `inherited` for it. A socket file that nobody listens on any more is
    /// replaced.
    ///
    /// # Errors
    ///
    /// The system's, such as an address in use.
    pub(crate) async fn bind(address: &Address, inherited: &mut Inherited) -> io::Result<Self> {
        match address {
            Address::Tcp(socket) => {
                let listener = match inherited.tcp(socket) {
                    Some(handed) => {
                        handed.set_nonblocking(true)?;
                        TcpListener::from_std(handed)?
                    }
                    None => TcpListener::bind(socket).await?,
                };
                Ok(Self {
                    address: Address::Tcp(listener.local_addr()?),
                    socket: Socket::Tcp(listener),
                })
            }
            Address::Unix(path) => {
                let (listener, file) = match inherited.unix(path) {
                    Some(handed) => {
                        handed.set_nonblocking(true)?;
                        (UnixListener::from_std(handed)?, None)
                    }
                    None => {
                        remove_stale(path).await?;
                        (UnixListener::bind(path)?, Some(SocketFile(path.clone())))
                    }
                };
                let socket = Socket::Unix { listener, file };
                Ok(Self { address: address.clone(), socket })
            }
        }
    }

    /// Gives the file of a Unix socket these permissions; nothing to any other, nor to what was inherited.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        match &self.socket {
            Socket::Unix { file: Some(SocketFile(path)), .. } => {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            }
            _ => Ok(()),
        }
    }

    /// The address, with the port that the system chose.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

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
        S: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
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
                        shed::turn_away(stream);
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
                    tracing::warn!(error = %err, address = %self.address, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(self);
        connections.close();
        connections.wait().await;
    }

    async fn accept(&self) -> io::Result<(Box<dyn Stream>, Peer)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Fails where the peer is gone already, which its first read will tell: no reason to slow the others.
                drop(stream.set_nodelay(true));
                Ok((Box::new(stream), Peer::Tcp(address)))
            }
            Socket::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
                Ok((Box::new(stream), Peer::Unix { uid }))
            }
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The file may be gone already; there is nobody left to tell.
        drop(std::fs::remove_file(&self.0));
    }
}

/// What hyper reads from and writes to, whichever socket it came from.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

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
    S: Fn(Request<Incoming>, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let Served { peer, place, service } = served;
    let place = Arc::new(place);
    let requests = place.requests().clone();
    let respond = service_fn(move |mut request: Request<Incoming>| {
        let begun = place.requests().begin().then(|| {
            request.extensions_mut().insert(place.requests().clone());
            (service(request, peer.clone()), Arc::clone(&place))
        });
        async move {
            // Nothing is done for a connection that is being ended: its peer cannot be told.
            let Some((response, place)) = begun else { return std::future::pending().await };
            let response = response.await;
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

/// A socket file left by a process that was killed is in the way of the next one.
async fn remove_stale(path: &Path) -> io::Result<()> {
    // Connecting to any other file is refused as well, and that file is not ours to remove.
    let is_socket =
        std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match tokio::net::UnixStream::connect(path).await {
        Err(err) if err.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        _ => Ok(()),
    }
}
