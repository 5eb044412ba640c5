//! What policies remember: keys, reservations and charges against limits.
//!
//! The trait stands here, between the host that asks and the store that keeps, so that neither knows the other.

mod foreseen;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::{MessageId, Timestamp};

pub use foreseen::{Foreseen, Foretold, StateAnswer, StateQuestion};

/// What a [`Ledger`] answers with: memory is ready at once, a shared store is not.
pub type LedgerFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, LedgerError>> + Send + 'a>>;

/// The memory of policies. `owner` is the policy's name: each has a name space of its own.
///
/// Every call takes the instant of the decision, so that a decision can be replayed.
pub trait Ledger: Send + Sync + fmt::Debug {
    /// The value under `key`, unless it has expired.
    fn get<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Vec<u8>>>;

    /// [`Ledger::get`] now, of what will not have expired at `then` either: a look ahead, which ages nothing. One that
    /// cannot tell looks at now.
    fn foresee<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
        then: Timestamp,
    ) -> LedgerFuture<'a, Option<Vec<u8>>> {
        let _unknown = then;
        self.get(owner, key, now)
    }

    /// Keeps `value` for `ttl`; `false` where `if_absent` found an entry.
    fn put<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        value: Vec<u8>,
        ttl: Duration,
        if_absent: bool,
        now: Timestamp,
    ) -> LedgerFuture<'a, bool>;

    /// Adds `delta` (saturating) and returns the sum; `ttl` counts from the first addition.
    fn increment<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        delta: i64,
        ttl: Duration,
        now: Timestamp,
    ) -> LedgerFuture<'a, i64>;

    /// Reserves `key` for the message `by`, or says who holds it. A key held by `by` itself is reserved again.
    fn reserve<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        ttl: Duration,
        by: &'a MessageId,
        now: Timestamp,
    ) -> LedgerFuture<'a, Reserved>;

    /// Looks at every limit first, then charges all or none.
    fn take<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken>;

    /// Like [`Ledger::reserve`], without reserving: who holds `key` now.
    fn holder<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Holder>>;

    /// Like [`Ledger::take`], without charging.
    fn peek<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken>;

    /// Ends what one request holds: kept, or given back. A hold settled twice stays as first settled.
    fn settle<'a>(&'a self, holds: Vec<Hold>, settlement: Settlement) -> LedgerFuture<'a, ()>;

    /// The messages that these were taken for are accepted. Until it hears so, a ledger that outlives the process may hold
    /// a reservation for a short while only, in case that process ends. Does not wait.
    fn own(&self, _holds: &[Hold]) {}

    /// Whether a call is a trip that is worth saving, by [`Ledger::foretell`], and is not in vain at this moment.
    fn is_far(&self) -> bool {
        false
    }

    /// Asks what the policies of the message `by` are likely to ask, in its order and in one trip, as far as answers
    /// are those [hoped for](StateQuestion::hoped_for) and with the first that is not; behind it nothing is asked, and
    /// so nothing taken. Fewer may be answered.
    ///
    /// A ledger that is not [far](Ledger::is_far) need not: it answers none.
    fn foretell<'a>(
        &'a self,
        _foreseen: Vec<Foreseen>,
        _by: &'a MessageId,
        _now: Timestamp,
    ) -> LedgerFuture<'a, Vec<Foretold>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

/// Something taken for a request and not yet settled. Opaque to everybody but the ledger that made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The policy it belongs to.
    pub owner: String,
    /// The key reserved, or the limit's own name for the key charged.
    pub key: String,
    /// The ledger's number for it.
    pub token: u64,
}

/// What becomes of a request's holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The message was, or may have been, sent.
    Keep,
    /// Nothing was sent.
    GiveBack,
}

/// The answer to a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It is this message's.
    Yes(Hold),
    /// Another message has it.
    Held(Holder),
}

/// Who holds a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The message.
    pub by: MessageId,
    /// Until when.
    pub until: Timestamp,
}

/// How a limit counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// Exact, for promises.
    Window(Window),
    /// Even pacing with a burst.
    Gcra(Gcra),
    /// By the calendar of a time zone, for carriers' quotas.
    Calendar(Calendar),
}

/// At most `quota` in any `per`. An entry made at `t` has left at `t + per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Most cost in the window.
    pub quota: u32,
    /// Its length.
    pub per: Duration,
}

/// `quota` evenly over `per`, with `burst` at once. It admits up to `quota + burst - 1` in the worst `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// Cost gained in each `per`.
    pub quota: u32,
    /// The period of the quota.
    pub per: Duration,
    /// Most cost at once.
    pub burst: u32,
}

/// `quota` in each `period` of `zone`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Most cost in the period.
    pub quota: u32,
    /// Which period.
    pub period: Period,
    /// IANA name of the zone whose midnight counts.
    pub zone: String,
}

/// A period of the calendar. Weeks begin on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to that of the next.
    Month,
}

/// One charge against one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The limit's name. Usage belongs to (owner, limit, key) and survives a change of the quota.
    pub limit: String,
    /// Whose usage.
    pub key: String,
    /// How the limit counts.
    pub kind: LimitKind,
    /// How much.
    pub cost: u32,
    /// Instead of refusing, take the next free slot and say how far away it is. Only for [`LimitKind::Gcra`].
    pub queue: bool,
}

/// A charge that queues, as it is kept when the message is sent: the ledger only says how far away its slot is, and
/// whoever calls Plivo waits until the limit lets the message go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The policy that keeps the limit.
    pub owner: String,
    /// The limit's name.
    pub limit: String,
    /// Whose usage.
    pub key: String,
    /// How fast.
    pub gcra: Gcra,
    /// How much.
    pub cost: u32,
}

/// The answer to a set of charges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// All charged; in the order of the charges.
    Ok {
        /// What is left of each limit.
        standings: Vec<Standing>,
        /// To be settled. Empty where the ledger was only asked to peek.
        holds: Vec<Hold>,
    },
    /// None charged; every limit that refuses.
    Refused(Vec<LimitRefusal>),
}

/// One limit after a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The limit's name.
    pub limit: String,
    /// Cost that could still be charged now.
    pub remaining: u32,
    /// Until the limit is back at its full quota, or a window's oldest entry leaves it.
    pub reset: Duration,
    /// Until the slot that a queueing charge took, behind all charges before it: an estimate of when the message is
    /// sent, since the more urgent ones go first.
    pub delay: Duration,
}

/// One limit that refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRefusal {
    /// The limit's name.
    pub limit: String,
    /// Until the same charge could pass.
    pub wait: Duration,
    /// The cost is above what the limit can ever hold.
    pub never: bool,
}

/// Why the ledger could not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerError {
    /// The bound on keys or bytes is reached.
    Full,
    /// A key, value or limit out of bounds.
    Invalid(String),
    /// A shared store is away.
    Unavailable(String),
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the policy state is full"),
            Self::Invalid(what) => write!(f, "invalid use of the policy state: {what}"),
            Self::Unavailable(why) => write!(f, "the policy state is unavailable: {why}"),
        }
    }
}

impl std::error::Error for LedgerError {}
