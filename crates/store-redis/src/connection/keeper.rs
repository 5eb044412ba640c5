//! Keeps the connection up, off every request's path.

use std::future::pending;
use std::sync::{Arc, Weak};
use std::time::Duration;

// The client speaks TLS by the provider that this crate's features name: ring, as everywhere here.
use rustls as _;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, ProtocolVersion, PushInfo, PushKind};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Line, Link};
use crate::SharedOptions;
use crate::fault::reason;
use crate::trial;

/// Pauses between attempts to connect, from the first to the longest; each is half to once as long, by chance, so that
/// replicas do not come back all at once.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How often an idle connection is looked after.
const LOOK: Duration = Duration::from_secs(2);

/// A connection that does not live so long is not renewed at once: something ends them all.
const BRIEF: Duration = Duration::from_millis(if cfg!(test) { 0 } else { 100 });

/// After a connection that lives so long the pauses are short again.
const STEADY: Duration = Duration::from_secs(10);

/// Why a connection cannot be used, in words.
enum Away {
    /// The server answered no, or ended it.
    Ended(String),
    /// It says nothing.
    Slow(String),
}

/// Connects, looks after the connection, and connects again.
pub(super) struct Keeper {
    options: SharedOptions,
    link: watch::Sender<Link>,
    logins: watch::Receiver<ConnectionInfo>,
    doubt: Arc<Notify>,
}

/// A connection that calls are made on. With its drop they are given up.
struct Serving {
    connection: MultiplexedConnection,
    leaving: Leaving,
}

/// What gives up the calls on a connection, while there are any.
struct Leaving {
    calls: Weak<CancellationToken>,
    _given_up: DropGuard,
}

/// How a connection is made that is to be kept.
pub(super) fn as_is_kept(info: &ConnectionInfo) -> ConnectionInfo {
    // Only by this protocol does the client tell that a connection has ended which nobody is using.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    // A connection that is given up is reset: else the system goes on sending what it had not delivered, and a claim or a
    // charge would arrive after it was given back on the next connection.
    let tcp = info.tcp_settings().clone().set_linger_time(Duration::ZERO);
    // A question is small, and somebody waits for its answer.
    let tcp = tcp.set_nodelay(true);
    info.clone().set_redis_settings(settings).set_tcp_settings(tcp)
}

impl Leaving {
    fn has_calls(&self) -> bool {
        self.calls.strong_count() > 0
    }
}

impl Keeper {
    pub(super) fn new(
        options: SharedOptions,
        link: watch::Sender<Link>,
        logins: watch::Receiver<ConnectionInfo>,
        doubt: Arc<Notify>,
    ) -> Self {
        Self { options, link, logins, doubt }
    }

    pub(super) async fn keep(self) {
        let (mut logins, mut pause) = (self.logins.clone(), PAUSES.0);
        loop {
            match self.connect(&mut logins).await {
                Ok(connection) => {
                    tracing::info!(server = %self.options.url, "the shared store is up");
                    let since = Instant::now();
                    self.serve(connection, &mut logins).await;
                    if since.elapsed() >= STEADY {
                        pause = PAUSES.0;
                    }
                }
                Err(why) => self.still_away(why),
            }
            pause = paused(pause, &mut logins).await;
        }
    }

    /// Has calls made on `connection`, and on each that could take the place of the one before at once, until none could.
    async fn serve(
        &self,
        mut connection: MultiplexedConnection,
        logins: &mut watch::Receiver<ConnectionInfo>,
    ) {
        let mut leaving = Vec::new();
        loop {
            let since = Instant::now();
            let serving = self.put_to_use(connection);
            let next = tokio::select! {
                next = self.other_login(logins) => Ok(next),
                away = self.until_away(&serving, &mut leaving) => Err(away),
            };
            let why = match next {
                Ok(next) => {
                    tracing::info!(server = %self.options.url, "the shared store is used by other credentials");
                    // The connection itself is kept by nobody but its calls, so it ends with the last of them.
                    leaving.retain(Leaving::has_calls);
                    leaving.push(serving.leaving);
                    connection = next;
                    continue;
                }
                Err(Away::Ended(why)) if since.elapsed() >= BRIEF => why,
                Err(Away::Ended(why) | Away::Slow(why)) => return self.went_away(why),
            };
            self.link.send_replace(Link::Renewing);
            drop(serving);
            match timeout(self.options.timeout, self.connect(logins)).await {
                Ok(Ok(renewed)) => connection = renewed,
                Ok(Err(why)) => return self.went_away(why),
                Err(_elapsed) => return self.went_away(why),
            }
            tracing::info!(server = %self.options.url, reason = why, "a connection to the shared store ended; there is another");
        }
    }

    fn put_to_use(&self, connection: MultiplexedConnection) -> Serving {
        let given_up = Arc::new(CancellationToken::new());
        let calls = Arc::downgrade(&given_up);
        let leaving =
            Leaving { calls, _given_up: CancellationToken::clone(&given_up).drop_guard() };
        let line = Line { connection: connection.clone(), given_up, refused: None };
        self.link.send_replace(Link::Up(line));
        Serving { connection, leaving }
    }

    /// A connection with other credentials, once there are any and the server takes them.
    async fn other_login(
        &self,
        logins: &mut watch::Receiver<ConnectionInfo>,
    ) -> MultiplexedConnection {
        if logins.changed().await.is_err() {
            return pending().await;
        }
        let mut pause = PAUSES.0;
        loop {
            match self.connect(logins).await {
                Ok(connection) => return connection,
                Err(why) => self.still_refused(why),
            }
            pause = paused(pause, logins).await;
        }
    }

    async fn connect(
        &self,
        logins: &mut watch::Receiver<ConnectionInfo>,
    ) -> Result<MultiplexedConnection, String> {
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
        let login = logins.borrow_and_update().clone();
        let connecting = async {
            let client = Client::open(login).map_err(|err| reason(&err))?;
            let connected = client.get_multiplexed_async_connection_with_config(&config).await;
            let mut connection = connected.map_err(|err| reason(&err))?;
            self.tried(&mut connection).await?;
            Ok(connection)
        };
        let connected = within(self.options.connect_timeout, connecting).await;
        let mut connection = connected.map_err(Away::reason)?;
        // One that answers later than it is waited for would be given up at its first call.
        within(self.options.timeout, self.tried(&mut connection)).await.map_err(Away::reason)?;
        Ok(connection)
    }

    /// Looks after the connection until it cannot be used any more. At the first doubt those before are given up, too:
    /// what a call on one may have taken is given back on this one, and must not arrive there later.
    async fn until_away(&self, serving: &Serving, leaving: &mut Vec<Leaving>) -> Away {
        let mut connection = serving.connection.clone();
        loop {
            let in_doubt = tokio::select! {
                () = self.doubt.notified() => true,
                () = sleep(LOOK) => false,
            };
            let looked = if in_doubt {
                leaving.clear();
                within(self.options.timeout, self.tried(&mut connection)).await
            } else {
                within(self.options.timeout, self.write(&mut connection)).await
            };
            if let Err(away) = looked {
                return away;
            }
        }
    }

    async fn tried(&self, connection: &mut MultiplexedConnection) -> Result<(), String> {
        let tried = trial::tried(connection, &self.options.prefix).await;
        tried.map(drop).map_err(|unusable| unusable.why)
    }

    /// A write, since a server that is full, or has become a replica, still answers a ping. What its user may do is known
    /// by then.
    async fn write(&self, connection: &mut MultiplexedConnection) -> Result<(), String> {
        let mut write = redis::cmd("SET");
        write.arg(trial::key(&self.options.prefix)).arg(1).arg("PX").arg(60_000);
        write.exec_async(connection).await.map_err(|err| reason(&err))
    }

    fn went_away(&self, why: String) {
        tracing::warn!(server = %self.options.url, reason = why, "the shared store is away");
        self.link.send_replace(Link::down(why));
    }

    /// The connection with the credentials before goes on.
    fn still_refused(&self, why: String) {
        self.link.send_if_modified(|link| match link {
            Link::Up(line) if line.refused.as_ref() != Some(&why) => {
                tracing::warn!(
                    server = %self.options.url, reason = why,
                    "the shared store does not take the new credentials; the connection with those before goes on"
                );
                line.refused = Some(why);
                true
            }
            _ => false,
        });
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

/// How long to pause next time. Other credentials are tried at once.
async fn paused(pause: Duration, logins: &mut watch::Receiver<ConnectionInfo>) -> Duration {
    tokio::select! {
        () = sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)) => (pause * 2).min(PAUSES.1),
        Ok(()) = logins.changed() => PAUSES.0,
    }
}

async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, String>>,
) -> Result<T, Away> {
    match timeout(limit, asked).await {
        Ok(answered) => answered.map_err(Away::Ended),
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
