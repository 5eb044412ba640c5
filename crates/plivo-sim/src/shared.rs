//! What every connection of one simulator shares.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

use crate::media::Uploads;
use crate::messages::Messages;
use crate::rate::Rate;
use crate::schedule::Schedule;
use crate::seen::Requests;
use crate::{Outage, Reports, SimConfig, Step, StepError};

/// Most steps waiting.
const MOST_STEPS: usize = 10_000;
/// Most callbacks under way at once; the others wait.
const MOST_CALLBACKS: usize = 64;

/// Work in the background that ends with the simulator.
pub(crate) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Something only the accept loop can do.
pub(crate) enum Order {
    /// Refuse connections, for so long where a time is given; answered once the first one would be refused.
    Refuse(Option<Duration>, oneshot::Sender<()>),
    /// Take connections again; answered once the first one would be taken.
    Open(oneshot::Sender<()>),
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
    /// Tells that there is something new in the schedule.
    pub(crate) scheduled: Notify,
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

/// Everything a `DELETE /_sim` sets back.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) requests: Requests,
    pub(crate) messages: Messages,
    pub(crate) uploads: Uploads,
    pub(crate) script: VecDeque<Step>,
    pub(crate) rate: Rate,
    pub(crate) schedule: Schedule,
    pub(crate) reports: Arc<Reports>,
    /// What every request meets.
    pub(crate) outage: Option<Box<Step>>,
    /// From a message's queueing to its place in the list.
    pub(crate) list_delay: Duration,
}

impl World {
    fn new(config: &SimConfig) -> Self {
        Self {
            requests: Requests::default(),
            messages: Messages::default(),
            uploads: Uploads::default(),
            script: VecDeque::new(),
            rate: Rate::default(),
            schedule: Schedule::default(),
            reports: Arc::new(config.callbacks.into()),
            outage: None,
            list_delay: Duration::ZERO,
        }
    }
}

impl Shared {
    pub(crate) fn new(
        config: SimConfig,
        jobs: mpsc::Sender<Job>,
        orders: mpsc::Sender<Order>,
    ) -> Self {
        Self {
            world: Mutex::new(World::new(&config)),
            config,
            changed: watch::Sender::default(),
            released: watch::Sender::default(),
            cut: watch::Sender::default(),
            callbacks: Semaphore::new(MOST_CALLBACKS),
            scheduled: Notify::new(),
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

    /// Changes the schedule, and wakes whoever plays it.
    pub(crate) fn schedule(&self, act: impl FnOnce(&mut World)) {
        self.with(act);
        self.scheduled.notify_one();
    }

    /// Forgets everything, and takes the settings of the start into force. A door that is closed stays so.
    pub(crate) fn clear(&self) {
        self.with(|world| *world = World::new(&self.config));
    }

    pub(crate) fn reports(&self) -> Arc<Reports> {
        self.look(|world| Arc::clone(&world.reports))
    }

    pub(crate) fn set_reports(&self, reports: Reports) {
        self.with(|world| world.reports = Arc::new(reports));
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
        self.order(|closed| Order::Refuse(Some(time), closed)).await;
    }

    /// Begins an outage, in place of any other, and returns once the next request would meet it.
    pub(crate) async fn fail(&self, outage: Outage) {
        match outage {
            Outage::Refuse => self.order(|closed| Order::Refuse(None, closed)).await,
            Outage::Step(step) => {
                self.restore().await;
                self.with(|world| world.outage = Some(step));
            }
        }
    }

    /// Ends any outage, and returns once the next request would be served.
    pub(crate) async fn restore(&self) {
        self.with(|world| world.outage = None);
        self.order(Order::Open).await;
    }

    async fn order(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (obeyed, wait) = oneshot::channel();
        if self.orders.send(order(obeyed)).await.is_ok() {
            // An error means that the simulator stopped: no connection is taken then.
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
