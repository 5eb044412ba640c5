//! From a cleared message to Plivo's answer, in the background and within the message's deadline.
//!
//! Every accepted message has one task that ends when its outcome is known; the request that brought it only watches.
//! What a process leaves behind, the next one takes up.

mod acceptance;
mod accepted;
mod arrival;
mod attempt;
pub(crate) mod backoff;
mod breaker;
mod budget;
mod doubt;
mod journey;
mod judge;
mod load;
mod resolve;
mod rolling;
mod room;
mod take_up;
mod times;
mod trace;
mod turns;
mod under_way;
mod unsettled;
mod waits;
mod window;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use message::{Hold, Ledger, MessageId, Sender, Settlement, Timestamp};
use plivo_client::{Outcome, RefusedKind};
use store::{Status, Store};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::breaker::{Breakers, Heard, Probe};
use self::budget::RetryBudget;
use self::load::Load;
use self::room::Room;
use self::turns::Turns;
use self::unsettled::Unsettled;
use self::window::Window;
use crate::in_force::{Account, InForce};
use crate::reports::CallbackPlace;
use crate::shared::Shared;

pub(crate) use self::accepted::{About, Acceptance, Ready};
pub(crate) use self::attempt::SHORTEST;
pub(crate) use self::breaker::{Reason, Standing, State};
pub(crate) use self::load::ALLOWED;
pub(crate) use self::room::{Most, Seat, Side};

/// Sends what was cleared.
pub(crate) struct Delivery {
    store: Store,
    /// What policies remember; not always the store's own.
    ledger: Arc<dyn Ledger>,
    ephemeral: bool,
    in_flight: TaskTracker,
    stop: CancellationToken,
    callbacks: Option<CallbackPlace>,
    shared: Option<Arc<Shared>>,
    account: watch::Sender<Account>,
    turns: Turns,
    window: Window,
    breakers: Breakers,
    budget: RetryBudget,
    load: Load,
    unsettled: Unsettled,
    /// The messages on their way, by id, and how to speak to each.
    journeys: Mutex<HashMap<MessageId, mpsc::UnboundedSender<Word>>>,
    room: Room,
    waiting: AtomicUsize,
    /// Held while a person's decision about a message is carried out, so that two do not cross.
    deciding: tokio::sync::Mutex<()>,
}

/// What is known of a message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing final yet; the state it is in.
    Open(Status),
    /// Plivo took it, under this UUID.
    Submitted(String),
    /// Plivo said a definite no; the stable code.
    Refused(&'static str),
    /// It ended, or will end, otherwise: in doubt, expired.
    Ended(Status),
}

/// What others have to say to a message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A delivery report shows that Plivo has it, under this UUID.
    Reported(String),
    /// It is not to be sent any more.
    Cancel,
}

/// What a delivery is made of, beside the account.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) ephemeral: bool,
    pub(crate) in_flight: TaskTracker,
    pub(crate) stop: CancellationToken,
    /// Where Plivo is to report, where it can.
    pub(crate) callbacks: Option<CallbackPlace>,
    /// What replicas share, where they share anything.
    pub(crate) shared: Option<Arc<Shared>>,
}

impl News {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

impl Delivery {
    pub(crate) fn new(parts: Parts, account: Account) -> Self {
        let Parts { store, ledger, ephemeral, in_flight, stop, callbacks, shared } = parts;
        let turns = Turns::new(account.max_calls);
        let window = Window::new(account.max_calls);
        let breakers = Breakers::new(account.breaker);
        let budget = RetryBudget::new(account.retry_percent);
        let (account, _) = watch::channel(account);
        Self {
            store,
            ledger,
            ephemeral,
            callbacks,
            shared,
            in_flight,
            stop,
            account,
            turns,
            window,
            breakers,
            budget,
            load: Load::default(),
            unsettled: Unsettled::default(),
            journeys: Mutex::default(),
            room: Room::default(),
            waiting: AtomicUsize::new(0),
            deciding: tokio::sync::Mutex::default(),
        }
    }

    /// Takes what a reload brought.
    pub(crate) fn use_generation(&self, next: &InForce) {
        self.use_account(next.account.clone());
        if let Some(shared) = &self.shared {
            shared.allow(&next.entries);
        }
    }

    /// Takes another account, or other settings. New credentials let the messages go on that waited for them; calls
    /// under way end with the old ones.
    pub(crate) fn use_account(&self, account: Account) {
        self.turns.set_room(self.window.set_most(account.max_calls));
        self.breakers.set(account.breaker);
        self.budget.set_percent(account.retry_percent);
        let before = self.account.send_replace(account);
        let renewed = *before.credentials != *self.account.borrow().credentials;
        // Whatever was wrong is said to be mended: one call finds out. Calls that are out with the old credentials say
        // nothing of the new ones.
        if renewed || self.breakers.standing().state == State::Latched {
            self.breakers.reset();
        }
    }

    /// Takes in what Plivo made of a call: how much it takes, and whether it is well.
    fn hear(&self, outcome: &Outcome, now: Instant) {
        let refused =
            if let Outcome::Rejected(refused) = outcome { Some(refused.kind) } else { None };
        let room = match (outcome, refused) {
            // Plivo has not been heard.
            (Outcome::NotSent(_), _) => return,
            (_, Some(RefusedKind::RateLimited { .. })) => {
                self.budget.heard(true);
                self.window.too_many(self.turns.load().out, now)
            }
            (Outcome::InDoubt(_), _) | (_, Some(RefusedKind::Shed { .. })) => {
                self.budget.heard(true);
                None
            }
            (Outcome::Accepted(_) | Outcome::Rejected(_), _) => {
                self.budget.heard(false);
                self.window.taken(now)
            }
        };
        if let Some(room) = room {
            tracing::info!(calls = room, "calls to Plivo at once are adapted to what it takes");
            self.turns.set_room(room);
        }
    }

    /// Whether other replicas send for the same account, so that what Plivo lists may be theirs.
    fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Why what replicas share cannot be used; none where it can, or where they share nothing.
    pub(crate) fn shared_trouble(&self) -> Option<String> {
        self.shared.as_ref().and_then(|shared| shared.trouble())
    }

    /// The senders that Plivo is held back for, and where their breakers stand.
    pub(crate) fn troubled_senders(&self) -> Vec<(Sender, Standing)> {
        self.breakers.senders()
    }

    /// Where the breaker of the account stands.
    pub(crate) fn standing(&self) -> Standing {
        self.breakers.standing()
    }

    /// Whether Plivo may be asked what it knows: it answers, as far as anybody knows. Where it did not, and it is time
    /// to see whether it does again, this sees.
    pub(crate) async fn may_ask(&self) -> bool {
        if let Some(probe) = self.breakers.probe(Instant::now()) {
            self.probe(probe).await;
        }
        // What holds back sends after an outage does not hold back what sends nothing.
        matches!(self.standing().state, State::Closed | State::Ramping)
    }

    async fn probe(&self, probe: Probe) {
        let account = self.account();
        let probed = account.client.probe(&account.credentials, account.call_timeout).await;
        probe.report(Heard::of_probe(&probed), Instant::now(), fastrand::f64());
    }

    /// Calls that sends have made in the time that [`ALLOWED`] is about.
    pub(crate) fn recent_calls(&self) -> u32 {
        self.load.lately(Instant::now())
    }

    /// What waits for a call to Plivo, by urgency.
    pub(crate) fn lanes(&self) -> Vec<turns::Waits> {
        self.turns.waits()
    }

    /// Messages accepted whose outcome is not known and that no call is out for.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// What messages are sent with now.
    pub(crate) fn account(&self) -> Account {
        self.account.borrow().clone()
    }

    /// Where Plivo reports on this call, where reports are wanted.
    fn callback_url(&self, id: &MessageId, attempt: u32) -> Option<String> {
        self.callbacks.as_ref().map(|place| place.url(id, attempt))
    }

    /// When Plivo is asked first what became of a message submitted `at`: where reports arrive, once they are late.
    fn first_look(&self, account: &Account, at: Timestamp) -> Timestamp {
        let wait =
            if self.callbacks.is_some() { account.report_silence } else { account.first_look };
        at.after(wait)
    }

    async fn give_back(&self, holds: Vec<Hold>) {
        self.settle(holds, Settlement::GiveBack).await;
    }

    /// Ends what a recorded message held, as its record says by now.
    async fn settle(&self, holds: Vec<Hold>, settlement: Settlement) {
        match self.ledger.settle(holds.clone(), settlement).await {
            Ok(()) if self.is_shared() => drop(self.store.told_of_holds(holds)),
            Ok(()) => {}
            // The sweep tells it as soon as it can be told.
            Err(err) => {
                tracing::warn!(error = %err, "what policies held is not settled yet; it is tried again");
            }
        }
    }
}

/// How long a message of this intent is worth sending that does not say so itself.
fn lifetime_of(intent: &str, account: &Account) -> Duration {
    /// An old one-time code is worth nothing: messaging.md 3.6.
    const OTP: Duration = Duration::from_secs(300);
    if intent == "otp" { account.lifetime.min(OTP) } else { account.lifetime }
}

/// The wall clock, for deadlines that mean something outside this process.
fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Waits for an instant of the wall clock.
async fn reach(at: Timestamp) {
    sleep_until(Instant::now() + at.since(now())).await;
}
