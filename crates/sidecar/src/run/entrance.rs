//! A start that waits, with its doors shut to sends, while the store cannot be used.

use std::mem;
use std::time::Duration;

use store::{OpenError, StoreError};
use telemetry::metrics::Metrics;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::doors::Doors;
use crate::config::Listen;
use crate::failure::whole;
use crate::listen::Inherited;
use crate::{Failure, service_manager};

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the listeners are until they are served: bound at last, or as soon as somebody has to be told to wait.
pub(super) struct Entrance<'a> {
    listen: &'a Listen,
    inherited: Inherited,
    metrics: &'a Metrics,
    doors: Option<Doors>,
}

/// Why a step of the start did not succeed.
pub(super) enum Obstacle {
    /// Somebody may mend it; the reason.
    Passing(String),
    /// It stays as it is.
    Lasting(Failure),
}

impl<'a> Entrance<'a> {
    pub(super) fn new(listen: &'a Listen, inherited: Inherited, metrics: &'a Metrics) -> Self {
        Self { listen, inherited, metrics, doors: None }
    }

    /// Does one step of the start, again and again for as long as what is in its way may pass. Meanwhile every door
    /// answers that nothing can be taken, and `/readyz` why; `/metrics` are told.
    ///
    /// # Errors
    ///
    /// What lasts, or the doors cannot be bound.
    pub(super) async fn pass<T>(
        &mut self,
        mut step: impl AsyncFnMut() -> Result<T, Obstacle>,
    ) -> Result<T, Failure> {
        let mut closed: Option<Closed> = None;
        loop {
            let why = match step().await {
                Ok(done) => {
                    if let Some(closed) = closed {
                        closed.end().await;
                        tracing::info!("the store can be used again");
                    }
                    return Ok(done);
                }
                Err(Obstacle::Lasting(failure)) => return Err(failure),
                Err(Obstacle::Passing(why)) => why,
            };
            service_manager::waits(&why);
            match &closed {
                Some(closed) => drop(closed.why.send_replace(why)),
                None => {
                    tracing::error!(reason = why, "the store cannot be used; nothing is accepted");
                    let (listen, metrics) = (self.listen, self.metrics);
                    closed = Some(Closed::begin(self.doors().await?, listen, metrics, why));
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Binds every address, where that has not been done.
    ///
    /// # Errors
    ///
    /// One of them cannot be bound.
    pub(super) async fn bind(&mut self) -> Result<(), Failure> {
        self.doors().await.map(drop)
    }

    /// The doors, to be served now.
    ///
    /// # Errors
    ///
    /// As [`Entrance::bind`], where that was not done.
    pub(super) async fn open(mut self) -> Result<Doors, Failure> {
        match self.doors.take() {
            Some(doors) => Ok(doors),
            None => Doors::bind(self.listen, self.inherited).await,
        }
    }

    async fn doors(&mut self) -> Result<&Doors, Failure> {
        let doors = match self.doors.take() {
            Some(doors) => doors,
            None => Doors::bind(self.listen, mem::take(&mut self.inherited)).await?,
        };
        Ok(self.doors.insert(doors))
    }
}

/// Doors at which everybody is turned away.
struct Closed {
    why: watch::Sender<String>,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl Closed {
    fn begin(doors: &Doors, listen: &Listen, metrics: &Metrics, why: String) -> Self {
        let ((why, told), stop) = (watch::channel(why), CancellationToken::new());
        let running = doors.turn_away(&told, listen, &stop, metrics);
        Self { why, stop, running }
    }

    /// Lets those be answered who have asked.
    async fn end(mut self) {
        self.stop.cancel();
        while self.running.join_next().await.is_some() {}
    }
}

impl From<OpenError> for Obstacle {
    fn from(err: OpenError) -> Self {
        if err.may_be_mended() {
            Self::Passing(whole(&err))
        } else {
            Self::Lasting(Failure::Store(err))
        }
    }
}

impl From<StoreError> for Obstacle {
    fn from(err: StoreError) -> Self {
        Self::Passing(err.to_string())
    }
}
