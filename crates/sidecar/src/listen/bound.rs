//! Sockets that connections come in by.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use super::{Inherited, Peer, There};
use crate::config::Address;

/// A socket that is bound and not yet served.
#[derive(Debug)]
pub(crate) struct Bound {
    address: Address,
    socket: Socket,
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

/// What hyper reads from and writes to, whichever socket it came from.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

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
                        match There::at(path).await {
                            There::Stale => std::fs::remove_file(path)?,
                            There::Other => {
                                return Err(io::Error::other(
                                    "it is there already, and is no socket",
                                ));
                            }
                            There::Socket | There::Nothing => {}
                        }
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

    /// The next connection, and where it comes from.
    pub(super) async fn accept(&self) -> io::Result<(Box<dyn Stream>, Peer)> {
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
