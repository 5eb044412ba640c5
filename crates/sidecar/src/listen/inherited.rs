//! Sockets that the service manager opened, and has open while nobody runs (systemd.socket(5), sd_listen_fds(3)).

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

use crate::config::Address;

/// What was handed over and has not been asked for yet.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    tcp: Vec<TcpListener>,
    unix: Vec<UnixListener>,
}

impl Inherited {
    /// Takes what the environment names. To be called before there are other threads, since the environment is changed.
    ///
    /// # Errors
    ///
    /// One of them is no socket that listens for connections.
    pub(crate) fn take() -> io::Result<Self> {
        let mut handed = ListenFd::from_env();
        let mut inherited = Self::default();
        for nth in 0..handed.len() {
            // What is no TCP socket is left in its place.
            match handed.take_tcp_listener(nth) {
                Ok(socket) => inherited.tcp.extend(socket),
                Err(_) => {
                    let taken = handed.take_unix_listener(nth).map_err(|err| {
                        let what = format!(
                            "the service manager handed over a socket that takes no connections ({err}); name it with \
                             ListenStream="
                        );
                        io::Error::new(err.kind(), what)
                    });
                    inherited.unix.extend(taken?);
                }
            }
        }
        Ok(inherited)
    }

    /// The one that listens at `address`.
    pub(super) fn tcp(&mut self, address: &std::net::SocketAddr) -> Option<TcpListener> {
        let own = |socket: &TcpListener| socket.local_addr().is_ok_and(|own| own == *address);
        let nth = self.tcp.iter().position(own)?;
        Some(self.tcp.swap_remove(nth))
    }

    /// The one that listens at `path`.
    pub(super) fn unix(&mut self, path: &std::path::Path) -> Option<UnixListener> {
        let own = |socket: &UnixListener| {
            socket.local_addr().is_ok_and(|own| own.as_pathname() == Some(path))
        };
        let nth = self.unix.iter().position(own)?;
        Some(self.unix.swap_remove(nth))
    }

    /// Those that no listener asked for: whoever connects there would wait for ever.
    pub(crate) fn left(&self) -> Vec<Address> {
        let tcp = self.tcp.iter().filter_map(|socket| socket.local_addr().ok()).map(Address::Tcp);
        let unix = self.unix.iter().filter_map(|socket| {
            Some(Address::Unix(socket.local_addr().ok()?.as_pathname()?.to_owned()))
        });
        tcp.chain(unix).collect()
    }
}
