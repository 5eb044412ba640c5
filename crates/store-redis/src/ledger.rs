//! The policies' memory, shared by replicas.

mod bounds;
mod charges;
mod foretell;
mod periods;
mod scripts;
mod unheard;
mod untold;
mod words;

use std::fmt;
use std::time::Duration;

use message::{
    Charge, Foreseen, Foretold, Hold, Holder, Ledger, LedgerError, LedgerFuture, MessageId,
    Reserved, Settlement, Taken, Timestamp,
};

use crate::fault::Fault;
use crate::{Connection, Status};
use bounds::check_key;
use unheard::Unheard;
use untold::{Untold, Word};

#[cfg(feature = "fuzzing")]
pub(crate) use charges::read as read_take;
pub(crate) use words::Words;

/// The least token of this ledger's holds. Other ledgers count theirs from one, so a token tells whose it is.
const LEAST_TOKEN: u64 = 1 << 62;
/// How long a reservation is held before its message is accepted: so long a replica that dies keeps equal messages away.
const LEASE: Duration = Duration::from_secs(30);
/// Kinds of keys; a hold's key begins with its own.
const VALUE: &str = "v:";
const RESERVATION: &str = "r:";
const LIMIT: &str = "l:";
/// The set beside a limit's hash.
const OF_LIMIT: &str = "z:";

/// A [`Ledger`] on a server that replicas share; it answers exactly as `store::MemoryLedger` does.
///
/// It goes by the server's clock, never by the caller's, and never back in time for a key. A call that was given up on,
/// by its timeout or because its future was dropped, gives back in the background what it may have taken, also once the
/// server is back. A reservation ends after thirty seconds unless its message is accepted or settled by then. A charge
/// that is never settled counts as kept, and ends by itself.
///
/// A limit's memory on the server is bounded by its quota for windows, by 1,024 open charges for the others.
#[derive(Clone)]
pub struct RedisLedger {
    connection: Connection,
    clock: Clock,
    untold: Untold,
}

/// The scripts' first argument, of the caller's instant.
type Clock = fn(Timestamp) -> String;

impl RedisLedger {
    /// A ledger on `connection`.
    pub fn new(connection: Connection) -> Self {
        // Nothing: the server's own.
        Self { connection, clock: |_| String::new(), untold: Untold::default() }
    }

    /// Tests run through days.
    #[cfg(test)]
    pub(crate) fn by_the_callers_clock(connection: Connection) -> Self {
        let clock = |now: Timestamp| (now.0 * 1_000).to_string();
        Self { connection, clock, untold: Untold::default() }
    }

    /// Whether `hold` was made by a ledger of this kind.
    pub(crate) fn made(hold: &Hold) -> bool {
        hold.token >= LEAST_TOKEN
    }

    /// Tells the server now, in the background, of accepted messages that it has not heard of.
    pub fn tell_accepted(&self) {
        self.untold.tell_accepted(self);
    }

    /// Tells the server all that it is still to be told of holds and keys, and waits until it has heard: for the end of a
    /// process. Safe to cancel; the telling goes on.
    pub async fn tell_all(&self) {
        self.tell_accepted();
        self.connection.told().await;
    }

    /// What is called `name` and of `kind`; different owners, kinds and names never meet.
    fn key(&self, owner: &str, kind: &str, name: &str) -> String {
        self.connection.key(&[&owner.len().to_string(), ":", owner, kind, name])
    }

    async fn taken(
        &self,
        owner: &str,
        charges: &[Charge],
        now: Timestamp,
        charging: bool,
    ) -> Result<Taken, LedgerError> {
        let (words, holds) = self.to_take(owner, charges, now, charging)?;
        if charges.is_empty() {
            return Ok(Taken::Ok { standings: Vec::new(), holds });
        }
        let mut unheard = Unheard::of(self, if charging { holds } else { Vec::new() });
        let answer: Vec<u64> = unheard.call(&words.call(&scripts::TAKE)).await?;
        charges::read(&answer, charges, || unheard.heard())
    }

    fn limit_keys(&self, hold: &Hold) -> [String; 2] {
        let name = hold.key.strip_prefix(LIMIT).unwrap_or(&hold.key);
        [LIMIT, OF_LIMIT].map(|kind| self.key(&hold.owner, kind, name))
    }

    async fn told(&self, holds: &[Hold], word: Word) -> Result<(), Fault> {
        let mut call = scripts::SETTLE.prepare_invoke();
        let (told, [before, after]) = match word {
            Word::Settled(Settlement::Keep) => ("keep", ["shared.tell", "shared.told"]),
            Word::Settled(Settlement::GiveBack) => ("back", ["shared.tell", "shared.told"]),
            Word::Owned => ("own", ["shared.own", "shared.owned"]),
        };
        call.arg(told);
        // What another ledger made has no name here.
        for hold in holds.iter().filter(|hold| Self::made(hold)) {
            let [hash, set] = match hold.key.strip_prefix(RESERVATION) {
                Some(name) => [RESERVATION; 2].map(|kind| self.key(&hold.owner, kind, name)),
                None => self.limit_keys(hold),
            };
            call.key(hash).key(set).arg(hold.token);
        }
        store::fail::point(before);
        let heard = self.connection.call(&call).await;
        store::fail::point(after);
        heard
    }
}

impl Ledger for RedisLedger {
    fn get<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let call = self.to_get(owner, key, now)?.call(&scripts::GET);
            Ok(self.connection.call(&call).await?)
        })
    }

    fn foresee<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
        then: Timestamp,
    ) -> LedgerFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let mut words = self.to_get(owner, key, now)?;
            words.arg(then.since(now).as_micros());
            Ok(self.connection.call(&words.call(&scripts::GET)).await?)
        })
    }

    fn put<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        value: Vec<u8>,
        ttl: Duration,
        if_absent: bool,
        now: Timestamp,
    ) -> LedgerFuture<'a, bool> {
        Box::pin(async move {
            let words = self.to_put((owner, key), &value, ttl, if_absent, now)?;
            Ok(self.connection.call(&words.call(&scripts::PUT)).await?)
        })
    }

    fn increment<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        delta: i64,
        ttl: Duration,
        now: Timestamp,
    ) -> LedgerFuture<'a, i64> {
        Box::pin(async move {
            let words = self.to_increment((owner, key), delta, ttl, now)?;
            let sum: Option<i64> = self.connection.call(&words.call(&scripts::INCREMENT)).await?;
            sum.ok_or_else(|| {
                LedgerError::Invalid("the value under this key is not a counter".into())
            })
        })
    }

    fn reserve<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        ttl: Duration,
        by: &'a MessageId,
        now: Timestamp,
    ) -> LedgerFuture<'a, Reserved> {
        Box::pin(async move {
            let (words, hold) = self.to_reserve((owner, key), ttl, by, now)?;
            let mut unheard = Unheard::of(self, vec![hold.clone()]);
            let held: Option<(String, u64)> = unheard.call(&words.call(&scripts::RESERVE)).await?;
            unheard.heard();
            Ok(held.map(holder).map_or(Reserved::Yes(hold), Reserved::Held))
        })
    }

    fn take<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken> {
        Box::pin(self.taken(owner, charges, now, true))
    }

    fn holder<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Holder>> {
        Box::pin(async move {
            check_key(key)?;
            let mut call = scripts::HOLDER.prepare_invoke();
            call.arg((self.clock)(now)).key(self.key(owner, RESERVATION, key));
            let held: Option<(String, u64)> = self.connection.call(&call).await?;
            Ok(held.map(holder))
        })
    }

    fn peek<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken> {
        Box::pin(self.taken(owner, charges, now, false))
    }

    fn settle<'a>(&'a self, holds: Vec<Hold>, settlement: Settlement) -> LedgerFuture<'a, ()> {
        Box::pin(async move {
            if !holds.iter().any(Self::made) {
                return Ok(());
            }
            let _telling = self.connection.telling();
            self.untold.forget(&holds);
            let word = Word::Settled(settlement);
            let told = self.told(&holds, word).await;
            if told.is_err() {
                self.untold.tell(self, holds, word);
            }
            Ok(told?)
        })
    }

    fn own(&self, holds: &[Hold]) {
        self.untold.accept(self, holds);
    }

    fn is_far(&self) -> bool {
        self.connection.status() == Status::Up
    }

    fn foretell<'a>(
        &'a self,
        foreseen: Vec<Foreseen>,
        by: &'a MessageId,
        now: Timestamp,
    ) -> LedgerFuture<'a, Vec<Foretold>> {
        Box::pin(async move { Ok(self.ask_ahead(None, foreseen, by, now).await?.1) })
    }
}

impl fmt::Debug for RedisLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLedger").field("connection", &self.connection).finish_non_exhaustive()
    }
}

pub(crate) fn holder((by, until_ms): (String, u64)) -> Holder {
    Holder { by: MessageId(by.into()), until: Timestamp(until_ms) }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
