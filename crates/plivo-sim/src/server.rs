//! The accept loop: the only task that owns others.

use std::any::Any;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::connection;
use crate::shared::{Job, Order, Shared};

/// Most connections and jobs at once; further ones wait in the kernel's and the job queue.
const MOST_TASKS: usize = 4_096;
/// Connections waiting to be accepted.
const BACKLOG: u32 = 1_024;
/// How often, and after which pause, a port is bound again that is somebody else's for a moment.
const TRIES: u32 = 100;
const AGAIN: Duration = Duration::from_millis(20);

/// The first panic of any task, to be raised where the simulator is stopped.
pub(crate) type Panic = Box<dyn Any + Send>;

/// Where connections come from.
enum Door {
    Open(TcpListener),
    /// The port is bound and not listening, so that the kernel refuses and nobody else takes the port.
    Closed(TcpSocket, Option<Instant>),
}

/// The accept loop's own ends of its channels.
pub(crate) struct Server {
    pub(crate) shared: Arc<Shared>,
    pub(crate) listener: TcpListener,
    /// Where only `/_sim` is answered, and which never closes.
    pub(crate) control: Option<TcpListener>,
    pub(crate) jobs: mpsc::Receiver<Job>,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) stop: oneshot::Receiver<()>,
}

impl Server {
    /// Serves until it is told to stop; then ends every task. Returns the first panic, if there was one.
    pub(crate) async fn run(mut self) -> Result<Option<Panic>, io::Error> {
        let address = self.listener.local_addr()?;
        let mut door = Door::Open(self.listener);
        let mut tasks = JoinSet::new();
        let mut panic = None;
        loop {
            let room = tasks.len() < MOST_TASKS;
            tokio::select! {
                stream = door.next(), if room => {
                    if let Some(stream) = stream? {
                        tasks.spawn(connection::serve(stream, Arc::clone(&self.shared), false));
                    }
                }
                stream = accept(self.control.as_ref()), if room => {
                    tasks.spawn(connection::serve(stream, Arc::clone(&self.shared), true));
                }
                Some(job) = self.jobs.recv(), if room => {
                    tasks.spawn(job);
                }
                Some(order) = self.orders.recv() => match order {
                    Order::Refuse(time, closed) => {
                        drop(door);
                        let until = time.map(|time| Instant::now() + time);
                        door = Door::Closed(held(address).await?, until);
                        self.shared.disconnect();
                        // Whoever asked may have gone.
                        let _ = closed.send(());
                    }
                    Order::Open(open) => {
                        door.open()?;
                        let _ = open.send(());
                    }
                },
                Some(ended) = tasks.join_next() => keep_panic(&mut panic, ended),
                _ = &mut self.stop => break,
            }
        }
        tasks.abort_all();
        while let Some(ended) = tasks.join_next().await {
            keep_panic(&mut panic, ended);
        }
        Ok(panic)
    }
}

impl Door {
    /// The next connection, or `None` when the door has changed or one connection failed before it was taken.
    async fn next(&mut self) -> io::Result<Option<TcpStream>> {
        match self {
            Self::Open(listener) => Ok(listener.accept().await.ok().map(|(stream, _)| stream)),
            Self::Closed(_, until) => {
                match until {
                    Some(until) => tokio::time::sleep_until(*until).await,
                    None => pending().await,
                }
                self.open()?;
                Ok(None)
            }
        }
    }

    fn open(&mut self) -> io::Result<()> {
        if let Self::Closed(socket, _) = self {
            let socket = std::mem::replace(socket, TcpSocket::new_v4()?);
            socket.set_reuseaddr(true)?;
            *self = Self::Open(socket.listen(BACKLOG)?);
        }
        Ok(())
    }
}

/// The port, bound so that nobody else can bind it too, not even who would share it: listening there would take it.
async fn held(address: SocketAddr) -> io::Result<TcpSocket> {
    let mut tries = 0;
    loop {
        match bound(address) {
            Ok(socket) => {
                socket.set_reuseaddr(false)?;
                return Ok(socket);
            }
            // Somebody had a look at whether it is free.
            Err(err) if err.kind() == io::ErrorKind::AddrInUse && tries < TRIES => tries += 1,
            Err(err) => return Err(err),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The next connection of the control listener; none ever where there is no listener.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return pending().await };
    loop {
        // A connection that failed before it was taken is none.
        if let Ok((stream, _)) = listener.accept().await {
            return stream;
        }
    }
}

/// A listener on `address`, or on a port of the system's choice.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bound(address)?.listen(BACKLOG)
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections that linger after a close must not keep the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn keep_panic(panic: &mut Option<Panic>, ended: Result<(), JoinError>) {
    if let Err(err) = ended
        && let Ok(payload) = err.try_into_panic()
    {
        panic.get_or_insert(payload);
    }
}
