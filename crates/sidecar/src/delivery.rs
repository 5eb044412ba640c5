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
mod lanes;
mod load;
mod looks;
mod released;
mod resolve;
mod rolling;
mod room;
mod second_look;
mod starts;
mod take_up;
mod times;
mod trace;
mod turns;
mod under_way;
mod unsettled;
mod upstream;
mod waits;
mod wall_clock;
mod window;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use message::{E164, Hold, Ledger, MessageId, Rejection, Settlement, Timestamp};
use plivo_client::Outcome;
use store::{Status, Store};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::doubt::Doubt;
use self::lanes::{Lane, Lanes};
use self::released::Releases;
use self::room::Room;
use self::starts::Starts;
use self::turns::Turns;
use self::unsettled::Unsettled;
use self::upstream::Upstreams;
use crate::decisions::SecondLooks;
use crate::gateway::Refuser;
use crate::in_force::{Account, Accounts, InForce};
use crate::reports::CallbackPlace;
use crate::shared::Shared;

pub(crate) use self::accepted::{About, Acceptance, Ready};
pub(crate) use self::attempt::SHORTEST;
pub(crate) use self::breaker::{Reason, State};
pub(crate) use self::load::ALLOWED;
pub(crate) use self::room::{Most, Seat, Side};
pub(crate) use self::upstream::Upstream;
pub(crate) use self::waits::{NO_ACCOUNT, UNCONFIRMED};

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
    looks: Option<SecondLooks>,
    upstreams: watch::Sender<Upstreams>,
    turns: Turns,
    lanes: Lanes,
    starts: Starts,
    unsettled: Unsettled,
    /// The messages in doubt, and how a person has them sent again.
    releases: Releases,
    /// The messages on their way, by id, and how to speak to each.
    journeys: Mutex<HashMap<MessageId, mpsc::UnboundedSender<Word>>>,
    room: Room,
    waiting: AtomicUsize,
    /// Of these, the ones that wait for an account which is not in force any more, by its name.
    without_account: Mutex<BTreeMap<Arc<str>, usize>>,
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
    /// Nothing was sent and nothing will be, by Plivo's definite no or our own; the stable code, and how long Plivo wants
    /// to be left alone.
    Refused { code: &'static str, wait: Option<Duration> },
    /// Nothing was sent and nothing will be: this policy refused it when it was asked again.
    Rejected(Refuser, Box<Rejection>),
    /// It ended, or will end, otherwise: in doubt, expired, as a report says; with Plivo's UUID, where a report told it.
    Ended(Status, Option<String>),
}

/// What others have to say to a message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A delivery report shows that Plivo has it, under this UUID.
    Reported(String),
    /// It is not to be sent any more.
    Cancel,
}

/// What a delivery is made of, beside the accounts.
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
    /// Where second looks are written down, where they are.
    pub(crate) looks: Option<SecondLooks>,
}

impl News {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

impl Delivery {
    pub(crate) fn new(parts: Parts, accounts: Accounts) -> Self {
        let Parts { store, ledger, ephemeral, in_flight, stop, callbacks, shared, looks } = parts;
        let upstreams = Upstreams::new(accounts);
        let delivery = Self {
            store,
            ledger,
            ephemeral,
            callbacks,
            shared,
            looks,
            in_flight,
            stop,
            upstreams: watch::Sender::new(upstreams.clone()),
            turns: Turns::new(),
            lanes: Lanes::default(),
            starts: Starts::default(),
            unsettled: Unsettled::default(),
            releases: Releases::default(),
            journeys: Mutex::default(),
            room: Room::default(),
            waiting: AtomicUsize::new(0),
            without_account: Mutex::default(),
            deciding: tokio::sync::Mutex::default(),
        };
        delivery.open(&upstreams);
        delivery
    }

    /// Takes what a reload brought.
    pub(crate) fn use_generation(&self, next: &InForce) {
        self.use_accounts(next.accounts.clone());
        if let Some(shared) = &self.shared {
            shared.allow(&next.entries);
            next.shared.iter().for_each(|url| shared.log_in(url));
        }
    }

    /// Takes other accounts, or other settings of them.
    pub(crate) fn use_accounts(&self, accounts: Accounts) {
        let before = self.upstreams.borrow().clone();
        let next = before.with(accounts);
        self.open(&next);
        self.upstreams.send_replace(next.clone());
        before.left_by(&next);
    }

    /// Has Plivo asked once more where it refused an account's credentials.
    pub(crate) fn unlatch(&self) {
        self.upstreams.borrow().all().for_each(|upstream| upstream.unlatch());
    }

    /// Has each account call as often at once as it may.
    fn open(&self, upstreams: &Upstreams) {
        for upstream in upstreams.all() {
            let account = upstream.account();
            let room = upstream.window.set_most(account.max_calls);
            self.turns.open(&account.name, room, upstream.gate());
        }
    }

    /// Takes in how much of its calls an account takes.
    fn hear(&self, upstream: &Upstream, outcome: &Outcome, now: Instant) {
        let account = &upstream.account().name;
        if let Some(calls) = upstream.hear(outcome, self.turns.out(account), now) {
            tracing::info!(%account, calls, "calls to Plivo at once are adapted to what it takes");
            self.turns.set_room(account, calls);
        }
    }

    /// Whether other replicas send for the same account, so that what Plivo lists may be theirs.
    fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// What is amiss with the server that replicas share; none where nothing is, or where they share nothing.
    pub(crate) fn shared_trouble(&self) -> Option<String> {
        self.shared.as_ref().and_then(|shared| shared.trouble())
    }

    /// Every account in force, that of whoever names none first.
    pub(crate) fn upstreams(&self) -> Vec<Arc<Upstream>> {
        self.upstreams.borrow().all().map(Arc::clone).collect()
    }

    /// The account of this name; none where the configuration has it no more.
    pub(crate) fn upstream(&self, name: &str) -> Option<Arc<Upstream>> {
        self.upstreams.borrow().named(name)
    }

    /// The account that was called, by its mark: its list alone tells of the message. None where it is not in force.
    fn called(&self, name: &str, doubt: &Doubt) -> Option<Arc<Upstream>> {
        match &doubt.account {
            Some(mark) => self.upstreams.borrow().marked(mark),
            None => self.upstream(name),
        }
    }

    /// Which messages may be taken for one another where Plivo lists them: those of an account to a number.
    fn twins(&self, account: &str, to: &E164) -> String {
        unsettled::twins(account, &self.store.mark_of(to))
    }

    /// How many sends of an account are under way, each with a connection to itself.
    pub(crate) fn calls_open(&self, account: &str) -> usize {
        self.turns.out(account)
    }

    /// What waits for a call to Plivo, by urgency.
    pub(crate) fn lanes(&self) -> Vec<Lane> {
        self.lanes.all()
    }

    /// How many messages wait for an account that the configuration does not have any more, by its name.
    pub(crate) fn without_account(&self) -> BTreeMap<String, usize> {
        self.orphans().iter().map(|(name, left)| (name.to_string(), *left)).collect()
    }

    /// Nothing in here panics halfway through a change, so the lock outlives whoever did.
    fn orphans(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, usize>> {
        self.without_account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages accepted whose outcome is not known and that no call is out for.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// The account of whoever names none, whose settings are those of all but for name, mark and credentials.
    pub(crate) fn account(&self) -> Arc<Account> {
        self.upstreams.borrow().own.account()
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

/// Waits for an instant of the wall clock, also where that is set meanwhile.
async fn reach(at: Timestamp) {
    let mut settings = wall_clock::settings();
    loop {
        settings.borrow_and_update();
        let until = Instant::now() + at.since(now());
        tokio::select! {
            () = sleep_until(until) => return,
            _ = settings.changed() => {}
        }
    }
}
