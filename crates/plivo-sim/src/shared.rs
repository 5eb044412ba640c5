//! What every connection of one simulator shares.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::media::Uploads;
use crate::messages::Messages;
use crate::rate::Rate;
use crate::seen::Requests;
use crate::{SimConfig, Step, StepError};

/// Most steps waiting.
const MOST_STEPS: usize = 10_000;
/// Most callbacks under way at once; the others wait.
const MOST_CALLBACKS: usize = 64;

/// Work in the background that ends with the simulator.
pub(crate) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Something only the accept loop can do.
pub(crate) enum Order {
    /// Refuse connections for so long; answered once the first one would be refused.
    Refuse(Duration, oneshot::Sender<()>),
}

/// One simulator's state and its ways to the accept loop.
pub(crate) struct Shared {
    pub(crate) config: SimConfig,
    world: Mutex<World>,
    /// Ticks whenever the world has changed.
    pub(crate) changed: watch::Sender<()>,
    /// Counts releases.
    pub(crate) released: watch::Sender<u64>,
    /// Counts disconnects.
    pub(crate) cut: watch::Sender<u64>,
    pub(crate) callbacks: Semaphore,
    jobs: mpsc::Sender<Job>,
    orders: mpsc::Sender<Order>,
    connections: AtomicU64,
}

/// What becomes of the steps that wait when others are scripted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The others follow them.
    Kept,
    /// The others stand in their place.
    Replaced,
}

/// Everything a `DELETE /_sim` forgets.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) requests: Requests,
    pub(crate) messages: Messages,
    pub(crate) uploads: Uploads,
    pub(crate) script: VecDeque<Step>,
    pub(crate) rate: Rate,
}

impl Shared {
    pub(crate) fn new(
        config: SimConfig,
        jobs: mpsc::Sender<Job>,
        orders: mpsc::Sender<Order>,
    ) -> Self {
        Self {
            config,
            world: Mutex::default(),
            changed: watch::Sender::default(),
            released: watch::Sender::default(),
            cut: watch::Sender::default(),
            callbacks: Semaphore::new(MOST_CALLBACKS),
            jobs,
            orders,
            connections: AtomicU64::new(0),
        }
    }

    /// Changes the world, and wakes whoever waits for a change.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let outcome = act(&mut self.locked());
        self.changed.send_replace(());
        outcome
    }

    /// Looks at the world.
    pub(crate) fn look<T>(&self, act: impl FnOnce(&World) -> T) -> T {
        act(&self.locked())
    }

    /// A panic under the lock is raised by its own task, so the lock outlives it.
    fn locked(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Runs `job` until it ends or the simulator does.
    pub(crate) async fn spawn(&self, job: impl Future<Output = ()> + Send + 'static) {
        // Without an accept loop the simulator has stopped, and nobody waits for the job.
        let _ = self.jobs.send(Box::pin(job)).await;
    }

    /// Scripts steps, all or none, and plays those that serve no request at once. Where it fails, nothing changes.
    pub(crate) async fn script(&self, waiting: Waiting, steps: Vec<Step>) -> Result<(), StepError> {
        steps.iter().try_for_each(Step::check)?;
        let (at_once, later): (Vec<Step>, Vec<Step>) =
            steps.into_iter().partition(|step| step.refuse_connections_ms.is_some());
        self.with(|world| {
            let kept = if waiting == Waiting::Kept { world.script.len() } else { 0 };
            if kept + later.len() > MOST_STEPS {
                return Err(StepError::Full { steps: kept + later.len(), most: MOST_STEPS });
            }
            world.script.truncate(kept);
            world.script.extend(later);
            Ok(())
        })?;
        for ms in at_once.iter().filter_map(|step| step.refuse_connections_ms) {
            self.refuse(Duration::from_millis(ms)).await;
        }
        Ok(())
    }

    /// Closes the door for `time`, and returns once it is closed.
    pub(crate) async fn refuse(&self, time: Duration) {
        let (closed, wait) = oneshot::channel();
        if self.orders.send(Order::Refuse(time, closed)).await.is_ok() {
            // An error means that the simulator stopped: no connection is taken then, either.
            let _ = wait.await;
        }
    }

    pub(crate) fn release(&self) {
        self.released.send_modify(|count| *count += 1);
    }

    pub(crate) fn disconnect(&self) {
        self.cut.send_modify(|count| *count += 1);
    }
}
