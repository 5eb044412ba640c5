//! Keeps the connection up, off every request's path.

use std::sync::Arc;
use std::time::Duration;

// The client speaks TLS by the provider that this crate's features name: ring, as everywhere here.
use rustls as _;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, Client, ProtocolVersion, PushInfo, PushKind, RedisError};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::Link;
use crate::fault::reason;
use crate::{OptionsError, SharedOptions};

/// Pauses between attempts to connect, from the first to the longest; each is half to once as long, by chance, so that
/// replicas do not come back all at once.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How often an idle connection is looked after.
const LOOK: Duration = Duration::from_secs(2);

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
                    self.link.send_replace(Link::Up(connection.clone()));
                    let why = self.until_away(connection).await;
                    tracing::warn!(server = %self.options.url, reason = why, "the shared store is away");
                    self.link.send_replace(Link::down(why));
                }
                Err(why) => self.still_away(why),
            }
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(PAUSES.1);
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
        within(self.options.connect_timeout, connecting).await
    }

    /// Looks after the connection until the server cannot be used any more; returns why.
    async fn until_away(&self, mut connection: MultiplexedConnection) -> String {
        loop {
            tokio::select! {
                () = self.doubt.notified() => {}
                () = sleep(LOOK) => {}
            }
            let looked = within(self.options.timeout, self.write(&mut connection)).await;
            if let Err(why) = looked {
                return why;
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
) -> Result<T, String> {
    match timeout(limit, asked).await {
        Ok(answered) => answered.map_err(|error| reason(&error)),
        Err(_elapsed) => Err(format!("no answer within {limit:?}")),
    }
}
