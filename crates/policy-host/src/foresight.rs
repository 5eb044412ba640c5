//! One trip to a far ledger instead of one for each question: what a message's policies will ask is guessed, asked
//! together, and handed out when they ask.

use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, mem};

use message::{
    Charge, Foreseen, Foretold, Hold, Holder, Ledger, LedgerFuture, MessageId, Reserved,
    Settlement, StateAnswer, StateQuestion, Taken, Timestamp,
};

use crate::holds::settle_detached;

/// Most questions that are noted in one guess; what is asked beyond goes its own way.
const QUESTIONS: usize = 32;

/// What the ledger said of one message before its policies asked. What of it they do not ask for is given back.
///
/// It is the ledger of that message's walk through the chain. As long as a policy asks as was guessed, it hears what
/// was foretold; from the first question on that is another, the ledger itself. Policies are functions of what they
/// hear, so such a question follows on an answer that was not hoped for, and behind that nothing was taken. Each policy
/// has its own name space, and so its own order.
pub struct Foresight {
    ledger: Arc<dyn Ledger>,
    /// What no policy has asked for yet.
    foretold: Mutex<Vec<Foretold>>,
    /// In a guess, what is asked beyond: that is answered as is hoped for, and nobody is asked.
    guessed: Option<Mutex<Guessed>>,
}

/// What will be asked, up to the first value that is kept or added to: that could not be given back, so only the policy
/// itself asks it, and what comes behind it.
#[derive(Default)]
struct Guessed {
    foreseen: Vec<Foreseen>,
    is_over: bool,
}

impl Foresight {
    pub(crate) fn new(ledger: &Arc<dyn Ledger>, foretold: Vec<Foretold>) -> Self {
        Self { ledger: Arc::clone(ledger), foretold: Mutex::new(foretold), guessed: None }
    }

    /// The ledger of a walk that finds out what will be asked next.
    pub(crate) fn guess(&self) -> Self {
        let mut foretold = locked(&self.foretold).clone();
        foretold.iter_mut().for_each(|each| each.holds.clear());
        let (ledger, foretold) = (Arc::clone(&self.ledger), Mutex::new(foretold));
        Self { ledger, foretold, guessed: Some(Mutex::default()) }
    }

    pub(crate) fn guesses(&self) -> bool {
        self.guessed.is_some()
    }

    /// What was asked in a guess.
    pub(crate) fn foreseen(&self) -> Vec<Foreseen> {
        self.guessed
            .as_ref()
            .map(|guessed| mem::take(&mut locked(guessed).foreseen))
            .unwrap_or_default()
    }

    /// Whether another guess may find more: nothing is foretold yet, or what was asked last was not answered as hoped.
    pub(crate) fn is_open(&self) -> bool {
        let foretold = locked(&self.foretold);
        foretold.last().is_none_or(|last| !last.foreseen.asked.is_hoped(&last.answer))
    }

    pub(crate) fn extend(&self, more: Vec<Foretold>) {
        locked(&self.foretold).extend(more);
    }

    /// What is known without asking the ledger itself.
    fn answer(&self, owner: &str, asked: StateQuestion) -> Option<(StateAnswer, Vec<Hold>)> {
        let mut foretold = locked(&self.foretold);
        match foretold.iter().position(|each| each.foreseen.owner == owner) {
            Some(nth) if foretold[nth].foreseen.asked == asked => {
                let Foretold { answer, holds, .. } = foretold.remove(nth);
                return Some((answer, holds));
            }
            Some(_) => {
                drop(foretold);
                self.go_astray(owner);
            }
            None => {}
        }
        let guessed = self.guessed.as_ref()?;
        let hoped = asked.hoped_for();
        let mut guessed = locked(guessed);
        if !guessed.is_over && guessed.foreseen.len() < QUESTIONS {
            guessed.foreseen.push(Foreseen { owner: owner.to_owned(), asked });
        }
        Some((hoped, Vec::new()))
    }

    /// A value is kept or added to. `true` in a guess: the ledger is not to be asked.
    fn writes(&self, owner: &str) -> bool {
        self.go_astray(owner);
        let Some(guessed) = &self.guessed else { return false };
        locked(guessed).is_over = true;
        true
    }

    /// The policy asks for something else than was foretold.
    fn go_astray(&self, owner: &str) {
        let astray =
            locked(&self.foretold).extract_if(.., |each| each.foreseen.owner == owner).collect();
        self.give_back(astray);
    }

    fn give_back(&self, unasked: Vec<Foretold>) {
        let holds: Vec<Hold> = unasked.into_iter().flat_map(|each| each.holds).collect();
        if !holds.is_empty() {
            let ledger = Arc::clone(&self.ledger);
            settle_detached(async move { ledger.settle(holds, Settlement::GiveBack).await });
        }
    }
}

impl Drop for Foresight {
    fn drop(&mut self) {
        let unasked = mem::take(&mut *locked(&self.foretold));
        self.give_back(unasked);
    }
}

impl Ledger for Foresight {
    fn get<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            match self.answer(owner, StateQuestion::Get { key: key.to_owned() }) {
                Some((StateAnswer::Value(value), _)) => Ok(value),
                _ => self.ledger.get(owner, key, now).await,
            }
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
            match self.answer(owner, StateQuestion::Get { key: key.to_owned() }) {
                Some((StateAnswer::Value(value), _)) => Ok(value),
                _ => self.ledger.foresee(owner, key, now, then).await,
            }
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
        match self.writes(owner) {
            true => Box::pin(ready(Ok(true))),
            false => self.ledger.put(owner, key, value, ttl, if_absent, now),
        }
    }

    fn increment<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        delta: i64,
        ttl: Duration,
        now: Timestamp,
    ) -> LedgerFuture<'a, i64> {
        match self.writes(owner) {
            true => Box::pin(ready(Ok(delta))),
            false => self.ledger.increment(owner, key, delta, ttl, now),
        }
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
            match self.answer(owner, StateQuestion::Reserve { key: key.to_owned(), ttl }) {
                Some((StateAnswer::Reserved(Some(holder)), _)) => Ok(Reserved::Held(holder)),
                Some((StateAnswer::Reserved(None), holds)) => {
                    // A guess holds nothing, and nobody settles that.
                    let nobodys = || Hold { owner: String::new(), key: String::new(), token: 0 };
                    Ok(Reserved::Yes(holds.into_iter().next().unwrap_or_else(nobodys)))
                }
                _ => self.ledger.reserve(owner, key, ttl, by, now).await,
            }
        })
    }

    fn take<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken> {
        Box::pin(async move {
            if charges.is_empty() {
                return Ok(Taken::Ok { standings: Vec::new(), holds: Vec::new() });
            }
            match self.answer(owner, StateQuestion::Take { charges: charges.to_vec() }) {
                Some((StateAnswer::Taken(standings), holds)) => Ok(Taken::Ok { standings, holds }),
                Some((StateAnswer::Refused(refusals), _)) => Ok(Taken::Refused(refusals)),
                _ => self.ledger.take(owner, charges, now).await,
            }
        })
    }

    fn holder<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Holder>> {
        self.ledger.holder(owner, key, now)
    }

    fn peek<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken> {
        self.ledger.peek(owner, charges, now)
    }

    fn settle<'a>(&'a self, holds: Vec<Hold>, settlement: Settlement) -> LedgerFuture<'a, ()> {
        self.ledger.settle(holds, settlement)
    }

    fn own(&self, holds: &[Hold]) {
        self.ledger.own(holds);
    }
}

impl fmt::Debug for Foresight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys may be made of phone numbers.
        f.debug_struct("Foresight").field("guesses", &self.guesses()).finish_non_exhaustive()
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;
    use std::time::Duration;

    use message::{Ledger, MessageId, Reserved, Timestamp};
    use store::MemoryLedger;

    use super::{Foresight, QUESTIONS};

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_guess_answers_everything_and_notes_so_much_of_it() {
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::default());
        let (guess, now) = (Foresight::new(&ledger, Vec::new()).guess(), Timestamp(1));
        let by = MessageId("m1".into());
        for n in 0..2 * QUESTIONS {
            let reserved = guess.reserve("p", &n.to_string(), MINUTE, &by, now).await;
            assert!(matches!(reserved, Ok(Reserved::Yes(_))), "{reserved:?}");
        }
        assert_eq!(guess.foreseen().len(), QUESTIONS);
        assert_eq!(ledger.holder("p", "0", now).await.unwrap(), None, "it asked the ledger");
    }

    #[tokio::test]
    async fn a_guess_keeps_no_value_and_notes_nothing_behind_one_that_would_be_kept() {
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::default());
        let now = Timestamp(1);
        for n in 0..2 {
            let guess = Foresight::new(&ledger, Vec::new()).guess();
            assert_eq!(guess.get("p", "k", now).await, Ok(None));
            match n {
                0 => {
                    assert_eq!(guess.put("p", "k", b"v".into(), MINUTE, true, now).await, Ok(true))
                }
                _ => assert_eq!(guess.increment("p", "k", 7, MINUTE, now).await, Ok(7)),
            }
            assert_eq!(guess.get("q", "k", now).await, Ok(None));
            assert_eq!(guess.foreseen().len(), 1);
            assert_eq!(ledger.get("p", "k", now).await, Ok(None), "it asked the ledger");
        }
    }
}
