//! Names and their addresses.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use message::facts;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;
use tokio::sync::Semaphore;

/// What [`Names::addresses`] answers with.
pub type NamesFuture<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Who knows the addresses of names.
pub trait Names: Send + Sync + fmt::Debug {
    /// Every address of `name`.
    fn addresses<'a>(&'a self, name: &'a str) -> NamesFuture<'a>;

    /// What is connected to for an address that was found public. Only tests have it otherwise.
    fn dial(&self, address: IpAddr) -> SocketAddr {
        // The port is that of the URL.
        SocketAddr::new(address, 0)
    }
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn addresses<'a>(&'a self, name: &'a str) -> NamesFuture<'a> {
        Box::pin(async move { Ok(lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) })
    }
}

/// At least one address of a name is private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Private;

/// The resolver of the connections: what it returns was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    names: Arc<dyn Names>,
    room: Arc<Semaphore>,
}

impl Checked {
    /// Asks `names`, at most so many at once.
    pub(crate) fn new(names: Arc<dyn Names>, at_once: usize) -> Self {
        Self { names, room: Arc::new(Semaphore::new(at_once)) }
    }

    /// The addresses of `name`, all of them public. The system answers when it does, often long after whoever asked is
    /// gone, and has only so many threads for it, which calls to Plivo need, too: until then `held` is held.
    pub(crate) async fn addresses(
        &self,
        name: &str,
        held: impl Send + 'static,
    ) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        let room = Arc::clone(&self.room).acquire_owned().await?;
        let (names, name) = (Arc::clone(&self.names), name.to_owned());
        let asked = tokio::spawn(async move {
            let found = names.addresses(&name).await;
            drop((room, held));
            found
        });
        let found = asked.await??;
        if found.is_empty() {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        }
        if !found.iter().all(|address| facts::is_public(*address)) {
            return Err(Private.into());
        }
        Ok(found.into_iter().map(|address| self.names.dial(address)).collect())
    }
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let checked = self.clone();
        Box::pin(async move {
            let addresses = checked.addresses(name.as_str(), ()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl fmt::Display for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address of this name is private")
    }
}

impl Error for Private {}

/// Whether a private address was the reason of `error`.
pub(crate) fn is_private(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<Private>() {
            return true;
        }
        cause = error.source();
    }
    false
}
