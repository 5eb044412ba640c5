//! A ledger in memory that tells what was asked of it, and can be made to keep everybody waiting.

use std::future::ready;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use message::{
    Charge, Foreseen, Foretold, Hold, Holder, Ledger, LedgerError, LedgerFuture, MessageId,
    Reserved, Settlement, StateAnswer, StateQuestion, Taken, Timestamp,
};
use store::MemoryLedger;
use tokio::sync::watch;

#[derive(Debug, Default)]
pub(crate) struct WatchedLedger {
    inner: MemoryLedger,
    asked: Mutex<Vec<&'static str>>,
    settled: Mutex<Vec<(usize, Settlement)>>,
    stuck: watch::Sender<bool>,
    far: AtomicBool,
    silent: AtomicBool,
    away: AtomicBool,
}

impl WatchedLedger {
    /// Every call but `settle`, in order, by name.
    pub(crate) fn asked(&self) -> Vec<&'static str> {
        self.asked.lock().unwrap().clone()
    }

    /// How many holds were settled at a time, and how.
    pub(crate) fn settled(&self) -> Vec<(usize, Settlement)> {
        self.settled.lock().unwrap().clone()
    }

    /// From now on it is to be asked ahead.
    pub(crate) fn is_far_away(&self) {
        self.far.store(true, Ordering::Relaxed);
    }

    /// From now on what is asked ahead fails.
    pub(crate) fn foretells_nothing(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    /// From now on every call fails at once, or none does.
    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// From now on nothing is answered.
    pub(crate) fn get_stuck(&self) {
        self.stuck.send_replace(true);
    }

    /// Answers everything again, and whoever waits.
    pub(crate) fn get_going(&self) {
        self.stuck.send_replace(false);
    }

    /// None where it could not be given back.
    async fn one(
        &self,
        Foreseen { owner, asked }: &Foreseen,
        by: &MessageId,
        now: Timestamp,
    ) -> Result<Option<(StateAnswer, Vec<Hold>)>, LedgerError> {
        let (inner, none) = (&self.inner, Vec::new());
        Ok(Some(match asked.clone() {
            StateQuestion::Get { key } => {
                (StateAnswer::Value(inner.get(owner, &key, now).await?), none)
            }
            StateQuestion::Put { .. } | StateQuestion::Increment { .. } => return Ok(None),
            StateQuestion::Reserve { key, ttl } => {
                match inner.reserve(owner, &key, ttl, by, now).await? {
                    Reserved::Yes(hold) => (StateAnswer::Reserved(None), vec![hold]),
                    Reserved::Held(holder) => (StateAnswer::Reserved(Some(holder)), none),
                }
            }
            StateQuestion::Take { charges } => match inner.take(owner, &charges, now).await? {
                Taken::Ok { standings, holds } => (StateAnswer::Taken(standings), holds),
                Taken::Refused(refusals) => (StateAnswer::Refused(refusals), none),
            },
        }))
    }

    fn answer<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        answer: LedgerFuture<'a, T>,
    ) -> LedgerFuture<'a, T> {
        self.asked.lock().unwrap().push(name);
        if self.away.load(Ordering::Relaxed) {
            let away = LedgerError::Unavailable("as the test wants it".to_owned());
            return Box::pin(ready(Err(away)));
        }
        if !*self.stuck.borrow() {
            return answer;
        }
        let mut stuck = self.stuck.subscribe();
        Box::pin(async move {
            stuck.wait_for(|stuck| !stuck).await.unwrap();
            answer.await
        })
    }
}

impl Ledger for WatchedLedger {
    fn get<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Vec<u8>>> {
        self.answer("get", self.inner.get(owner, key, now))
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
        self.answer("put", self.inner.put(owner, key, value, ttl, if_absent, now))
    }

    fn increment<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        delta: i64,
        ttl: Duration,
        now: Timestamp,
    ) -> LedgerFuture<'a, i64> {
        self.answer("increment", self.inner.increment(owner, key, delta, ttl, now))
    }

    fn reserve<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        ttl: Duration,
        by: &'a MessageId,
        now: Timestamp,
    ) -> LedgerFuture<'a, Reserved> {
        self.answer("reserve", self.inner.reserve(owner, key, ttl, by, now))
    }

    fn take<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken> {
        self.answer("take", self.inner.take(owner, charges, now))
    }

    fn holder<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Holder>> {
        self.answer("holder", self.inner.holder(owner, key, now))
    }

    fn peek<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken> {
        self.answer("peek", self.inner.peek(owner, charges, now))
    }

    fn settle<'a>(&'a self, holds: Vec<Hold>, settlement: Settlement) -> LedgerFuture<'a, ()> {
        self.settled.lock().unwrap().push((holds.len(), settlement));
        self.inner.settle(holds, settlement)
    }

    fn is_far(&self) -> bool {
        self.far.load(Ordering::Relaxed)
    }

    fn foretell<'a>(
        &'a self,
        foreseen: Vec<Foreseen>,
        by: &'a MessageId,
        now: Timestamp,
    ) -> LedgerFuture<'a, Vec<Foretold>> {
        let foretold = async move {
            if self.silent.load(Ordering::Relaxed) {
                return Err(LedgerError::Unavailable("as the test wants it".to_owned()));
            }
            let mut foretold: Vec<Foretold> = Vec::new();
            let goes_on = |last: &Foretold| last.foreseen.asked.is_hoped(&last.answer);
            for foreseen in foreseen {
                if !foretold.last().is_none_or(goes_on) {
                    break;
                }
                let Some((answer, holds)) = self.one(&foreseen, by, now).await? else { break };
                foretold.push(Foretold { foreseen, answer, holds });
            }
            Ok(foretold)
        };
        self.answer("foretell", Box::pin(foretold))
    }
}
