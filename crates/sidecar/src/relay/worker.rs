//! The worker that calls apps: what is due, oldest first, in order for each message, and no app at another's cost.

mod outcome;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use message::Timestamp;
use reqwest::Client;
use store::{Event, Record, Relayed, Store};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::call::{self, Call, ClientError, Ended};
use super::circuit::{Admit, Circuits, Heard};
use super::subscriber::NoUrl;
use super::{RelayTally, Source, Subscriber, Target, Unanswered, schedule, spans};
use outcome::Outcome;

/// Most calls at once. What cannot be written down has a place among them, so that a store that fails has no more apps
/// called again by the next process.
const AT_ONCE: usize = 16;
/// Most events taken from the store at once.
const PAGE: u32 = 256;
/// Between two looks at what is due.
const IDLE: Duration = Duration::from_millis(250);
/// Longest that an event is put off for one that must wait anyway, beyond the time that it must.
const SPREAD: Duration = Duration::from_secs(2);

/// What the configuration in force says of an app; none where it has no such app.
pub(crate) type Subscribers = Arc<dyn Fn(&str) -> Option<Subscriber> + Send + Sync>;

/// Calls apps. What it has to do is in the store, so that a restart goes on.
pub(crate) struct Relay {
    store: Store,
    source: Source,
    client: Client,
    subscribers: Subscribers,
    circuits: Circuits,
    calls: JoinSet<Done>,
    /// Events that a task is on, or whose outcome is yet to be written; the store still calls them due.
    busy: HashSet<u64>,
    page: VecDeque<Event>,
    /// The page was full: there may be others behind it.
    crowded: bool,
    tally: Arc<RelayTally>,
    unanswered: Unanswered,
}

/// What is to be done with an event.
enum Step {
    /// Call the app.
    Call(Box<Ready>),
    /// Nobody needs to be called.
    Settle(Relayed),
    /// Nothing yet; it stays due.
    Leave,
}

/// A call that may be made now.
struct Ready {
    event: Event,
    record: Record,
    target: Target,
    call: Call,
    generation: u64,
}

/// A task's end.
struct Done {
    number: u64,
    /// Where a call was made.
    called: Option<Called>,
    /// What could not be written down.
    unwritten: Option<Outcome>,
}

struct Called {
    origin: String,
    target: Target,
    generation: u64,
    ended: Ended,
}

impl Relay {
    /// A worker that has called nobody yet.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub(crate) fn new(
        store: Store,
        source: Source,
        subscribers: Subscribers,
    ) -> Result<Self, ClientError> {
        Ok(Self {
            store,
            source,
            client: call::client()?,
            subscribers,
            circuits: Circuits::default(),
            calls: JoinSet::new(),
            busy: HashSet::new(),
            page: VecDeque::new(),
            crowded: false,
            tally: Arc::default(),
            unanswered: Unanswered::default(),
        })
    }

    /// Whose messages nobody is told of yet.
    pub(crate) fn unanswered(&self) -> Unanswered {
        self.unanswered.clone()
    }

    /// The counts, to be shown.
    pub(crate) fn tally(&self) -> Arc<RelayTally> {
        Arc::clone(&self.tally)
    }

    /// Calls until `stop`, and then until nothing is due that could be told now: what it was stopped for may have had
    /// ends of its own. Each call ends within its time.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let well = self.begin_calls().await;
            self.tally.set_closed(self.circuits.closed(Instant::now()));
            if stop.is_cancelled() && self.calls.is_empty() {
                break;
            }
            tokio::select! {
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                Some(done) = self.calls.join_next() => match self.end(done.ok()) {
                    // What cannot be written at the end the next process calls for again.
                    Some(unwritten) if !stop.is_cancelled() => self.write_later(unwritten, &stop),
                    _ => {}
                },
                // Something may have come up meanwhile.
                () = sleep(IDLE), if !well || self.calls.len() < AT_ONCE => {}
            }
        }
    }

    /// Begins what may be begun; `false` where the store could not be read.
    async fn begin_calls(&mut self) -> bool {
        if self.page.is_empty() && self.calls.len() < AT_ONCE {
            match self.store.due_relays(now(), PAGE).await {
                Ok(due) => {
                    self.crowded = due.len() == PAGE as usize;
                    // What is being called stays due until its end, which may come before its turn in this page.
                    self.page = due.into();
                    self.page.retain(|event| !self.busy.contains(&event.number));
                }
                Err(err) => {
                    tracing::warn!(error = %err, "events that are due could not be read");
                    return false;
                }
            }
        }
        while self.calls.len() < AT_ONCE {
            let Some(event) = self.page.pop_front() else { break };
            match self.step(&event).await {
                Step::Call(ready) => self.begin(*ready),
                Step::Settle(relayed) => self.settle(event.number, relayed),
                Step::Leave => {}
            }
        }
        true
    }

    async fn step(&mut self, event: &Event) -> Step {
        let record = match self.store.to_be_told(&event.message).await {
            Ok(Some(record)) => record,
            Ok(None) => return self.give_up(event, "its message is not kept any more"),
            Err(_) => return Step::Leave,
        };
        if self.unanswered.has(&record.id) {
            // Told by an id that the app is not answered, it would be told of nothing.
            return Step::Leave;
        }
        let Some(subscriber) = (self.subscribers)(&event.app) else {
            return self.failed(event, None, "the configuration has no such app");
        };
        let target = match record.relay.as_deref().map(|place| subscriber.place(place)) {
            Some(Ok(target)) => target,
            Some(Err(NoUrl)) => return self.failed(event, None, "the app has no relay_url"),
            None => return self.give_up(event, "its message does not say where to call"),
        };
        if !subscriber.allows(&target) {
            return self.give_up(
                event,
                "relay.not_allowed: the app's relay_allow does not name the origin",
            );
        }
        if self.tally.take_revival() {
            self.circuits.forgive();
        }
        if self.circuits.was_gone(target.text(), subscriber.generation) {
            return self.give_up(event, &Ended::Gone.fault());
        }
        if !subscriber.can_sign(target.form()) {
            return self.failed(event, None, "the app has no relay_secret to sign with");
        }
        let called = Call::of(event, &record, &target, &subscriber, &self.source, now());
        // A state that the app's form has no word for.
        let Some(call) = called else { return Step::Settle(Relayed::Done) };
        match self.circuits.admit(&origin_of(&target), Instant::now()) {
            Admit::Go => {
                let generation = subscriber.generation;
                Step::Call(Box::new(Ready {
                    event: event.clone(),
                    record,
                    target,
                    call,
                    generation,
                }))
            }
            Admit::Busy if self.crowded => self.put_off(event, Duration::ZERO),
            Admit::Busy => Step::Leave,
            Admit::NotBefore(at) => {
                self.put_off(event, at.saturating_duration_since(Instant::now()))
            }
        }
    }

    fn begin(&mut self, ready: Ready) {
        let Ready { event, record, target, call, generation } = ready;
        self.busy.insert(event.number);
        let (client, store) = (self.client.clone(), self.store.clone());
        let (span, tally) = (spans::relay(&event, &record, &target), Arc::clone(&self.tally));
        let task = async move {
            let ended = call.make(&client).await;
            let relayed = match ended {
                Ended::Taken => Relayed::Done,
                Ended::Gone => dead(&event, &ended.fault()),
                _ => again_or_dead(&event, ended.retry_after(), &ended.fault()),
            };
            tally.add(&relayed);
            let unwritten = Outcome::of_call(event.number, relayed).write(&store).await;
            let called = Called { origin: origin_of(&target), target, generation, ended };
            Done { number: event.number, called: Some(called), unwritten }
        };
        self.calls.spawn(task.instrument(span));
    }

    fn settle(&mut self, number: u64, relayed: Relayed) {
        self.busy.insert(number);
        let store = self.store.clone();
        self.calls.spawn(async move {
            let unwritten = Outcome::without_call(number, relayed).write(&store).await;
            Done { number, called: None, unwritten }
        });
    }

    /// Nobody is called for it meanwhile: its event stays busy.
    fn write_later(&mut self, outcome: Outcome, stop: &CancellationToken) {
        let (store, stop) = (self.store.clone(), stop.clone());
        self.calls.spawn(async move {
            let number = outcome.number;
            let unwritten = outcome.write_later(&store, &stop).await;
            Done { number, called: None, unwritten }
        });
    }

    /// Takes a task's end down. Returns what the store could not be told.
    fn end(&mut self, done: Option<Done>) -> Option<Outcome> {
        // A task that panicked leaves its event as busy, which keeps the fault from coming again and again.
        let Done { number, called, unwritten } = done?;
        if unwritten.is_none() {
            self.busy.remove(&number);
        }
        if let Some(Called { origin, target, generation, ended }) = called {
            self.circuits.ended(&origin, ended.heard(), Instant::now(), fastrand::f64());
            if ended == Ended::Gone {
                tracing::warn!(%origin, "an app answered 410; it is called there no more, until the configuration changes or its events are revived");
                self.circuits.is_gone(target.text(), generation);
            }
            if let Heard::Failed { .. } = ended.heard() {
                tracing::debug!(%origin, fault = ended.fault(), "an app could not be told");
            }
        }
        unwritten
    }

    fn give_up(&self, event: &Event, fault: &str) -> Step {
        let relayed = dead(event, fault);
        self.tally.add(&relayed);
        Step::Settle(relayed)
    }

    fn failed(&self, event: &Event, retry_after: Option<Duration>, fault: &str) -> Step {
        let relayed = again_or_dead(event, retry_after, fault);
        self.tally.add(&relayed);
        Step::Settle(relayed)
    }

    /// Takes an event that has to wait out of the way of those behind it.
    fn put_off(&self, event: &Event, least: Duration) -> Step {
        let at = now().after(least + SPREAD.mul_f64(fastrand::f64()));
        let fault =
            event.fault.clone().unwrap_or_else(|| "waits for other calls to the app".into());
        Step::Settle(Relayed::Again { at, fault })
    }
}

fn again_or_dead(event: &Event, retry_after: Option<Duration>, fault: &str) -> Relayed {
    match schedule::next(event.revived.unwrap_or(event.at), now(), retry_after, fastrand::f64()) {
        Some(at) => Relayed::Again { at, fault: fault.to_owned() },
        None => dead(event, fault),
    }
}

fn dead(event: &Event, fault: &str) -> Relayed {
    tracing::error!(message.id = %event.message, app = event.app, state = event.state.as_str(), fault, "an app is not told of an event any more; it is kept as a dead letter");
    Relayed::Dead { fault: fault.to_owned() }
}

fn origin_of(target: &Target) -> String {
    target.origin().ascii_serialization()
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests;
