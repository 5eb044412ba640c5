//! Keeps the connection up, off every request's path.

use std::sync::Arc;
use std::time::Duration;

// The client speaks TLS by the provider that this crate's features name: ring, as everywhere here.
use rustls as _;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, Client, ProtocolVersion, PushInfo, PushKind, RedisError};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::Link;
use crate::fault::reason;
use crate::{OptionsError, SharedOptions};

/// Pauses between attempts to connect, from the first to the longest; each is half to once as long, by chance, so that
/// replicas do not come back all at once.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How often an idle connection is looked after.
const LOOK: Duration = Duration::from_secs(2);

/// A connection that does not live so long is not renewed at once: something ends them all.
const BRIEF: Duration = Duration::from_millis(if cfg!(test) { 0 } else { 100 });

/// Why a connection cannot be used, in words.
enum Away {
    /// The server answered no, or ended it.
    Ended(String),
    /// It says nothing.
    Slow(String),
}

/// Connects, looks after the connection, and connects again.
pub(super) struct Keeper {
    client: Client,
    options: SharedOptions,
    link: watch::Sender<Link>,
    doubt: Arc<Notify>,
}

impl Keeper {
    pub(super) fn new(
        options: SharedOptions,
        link: watch::Sender<Link>,
        doubt: Arc<Notify>,
    ) -> Result<Self, OptionsError> {
        let info = options.url.info().clone();
        // Only by this protocol does the client tell that a connection has ended which nobody is using.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        // A connection that is given up is reset: else the system goes on sending what it had not delivered, and a claim
        // or a charge would arrive after it was given back on the next connection.
        let tcp = info.tcp_settings().clone().set_linger_time(Duration::ZERO);
        // A question is small, and somebody waits for its answer.
        let tcp = tcp.set_nodelay(true);
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
        let client = Client::open(info).map_err(|_| OptionsError::Url)?;
        Ok(Self { client, options, link, doubt })
    }

    pub(super) async fn keep(self) {
        let mut pause = PAUSES.0;
        loop {
            match self.connect().await {
                Ok(connection) => {
                    tracing::info!(server = %self.options.url, "the shared store is up");
                    pause = PAUSES.0;
                    let why = self.serve(connection).await;
                    tracing::warn!(server = %self.options.url, reason = why, "the shared store is away");
                    self.link.send_replace(Link::down(why));
                }
                Err(why) => self.still_away(why),
            }
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Has calls made on `connection`, and on each that could take the place of the one before at once; returns why none
    /// could.
    async fn serve(&self, mut connection: MultiplexedConnection) -> String {
        loop {
            let since = Instant::now();
            self.link.send_replace(Link::Up(connection.clone()));
            let why = match self.until_away(connection).await {
                Away::Ended(why) if since.elapsed() >= BRIEF => why,
                Away::Ended(why) | Away::Slow(why) => return why,
            };
            self.link.send_replace(Link::Renewing);
            match timeout(self.options.timeout, self.connect()).await {
                Ok(Ok(renewed)) => connection = renewed,
                Ok(Err(why)) => return why,
                Err(_elapsed) => return why,
            }
            tracing::info!(server = %self.options.url, reason = why, "a connection to the shared store ended; there is another");
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        // The limits are set here, in one place for all of connecting.
        let doubt = Arc::clone(&self.doubt);
        let ended = move |told: PushInfo| {
            if told.kind == PushKind::Disconnection {
                doubt.notify_one();
            }
            Ok::<_, SendError>(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(ended);
        let connecting = async {
            let mut connection =
                self.client.get_multiplexed_async_connection_with_config(&config).await?;
            self.write(&mut connection).await?;
            Ok(connection)
        };
        within(self.options.connect_timeout, connecting).await.map_err(Away::reason)
    }

    /// Looks after the connection until it cannot be used any more.
    async fn until_away(&self, mut connection: MultiplexedConnection) -> Away {
        loop {
            tokio::select! {
                () = self.doubt.notified() => {}
                () = sleep(LOOK) => {}
            }
            let looked = within(self.options.timeout, self.write(&mut connection)).await;
            if let Err(away) = looked {
                return away;
            }
        }
    }

    /// A write, since a server that is full, or has become a replica, still answers a ping.
    async fn write(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let key = format!("{}alive", self.options.prefix);
        redis::cmd("SET").arg(key).arg(1).arg("PX").arg(60_000).exec_async(connection).await
    }

    /// The reason may be another by now; `since` stays.
    fn still_away(&self, why: String) {
        self.link.send_if_modified(|link| match link {
            Link::Down { reason, .. } if *reason != why => {
                tracing::warn!(server = %self.options.url, reason = why, "the shared store is away");
                *reason = why;
                true
            }
            _ => false,
        });
    }
}

async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, Away> {
    match timeout(limit, asked).await {
        Ok(answered) => answered.map_err(|error| Away::Ended(reason(&error))),
        Err(_elapsed) => Err(Away::Slow(format!("no answer within {limit:?}"))),
    }
}

impl Away {
    fn reason(self) -> String {
        match self {
            Self::Ended(reason) | Self::Slow(reason) => reason,
        }
    }
}
