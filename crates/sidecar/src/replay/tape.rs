//! A ledger that answers as the log says the ledger then did, and guesses where it does not say.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use message::{
    Charge, Hold, Holder, Ledger, LedgerError, LedgerFuture, MessageId, Reserved, Settlement,
    Taken, Timestamp,
};
use policy_host::{NOT_TAKEN, StateAnswer, StateCall, StateQuestion};
use store::MemoryLedger;

/// What is remembered for a guess of a value that the log has shown, and not for how long it was to be kept.
const KNOWN_FOR: Duration = Duration::from_secs(86_400);

tokio::task_local! {
    /// The record that is decided again by this task.
    static TAPE: Arc<Tape>;
}

/// The calls of one record, each to be given out once.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// By policy, in order.
    calls: Mutex<HashMap<String, Vec<StateCall>>>,
    /// Keys and values are hashed, so that calls are known by what else they ask, and by their order.
    without_keys: bool,
    /// What may be asked where the log does not say.
    memory: Option<Arc<MemoryLedger>>,
    guessed: AtomicBool,
}

impl Tape {
    pub(super) fn new(
        calls: HashMap<String, Vec<StateCall>>,
        without_keys: bool,
        memory: Option<Arc<MemoryLedger>>,
    ) -> Arc<Self> {
        let mut calls = calls;
        if without_keys {
            let all = calls.values_mut().flatten();
            all.for_each(|call| call.asked = nameless(&call.asked));
        }
        let (calls, guessed) = (Mutex::new(calls), AtomicBool::new(false));
        Arc::new(Self { calls, without_keys, memory, guessed })
    }

    /// Runs `deciding` with this record's answers.
    pub(super) async fn play<T>(self: &Arc<Self>, deciding: impl Future<Output = T>) -> T {
        TAPE.scope(Arc::clone(self), deciding).await
    }

    /// Whether something was asked that the log does not say.
    pub(super) fn guessed(&self) -> bool {
        self.guessed.load(Ordering::Relaxed)
    }

    /// The answer to the first call that asked the same, and was not given out yet.
    fn recorded(&self, owner: &str, asked: &StateQuestion) -> Option<StateAnswer> {
        let asked = if self.without_keys { &nameless(asked) } else { asked };
        // What is not heeded remembers apart, and is in the record under its own name all the same.
        let owner = owner.strip_suffix("~shadow").unwrap_or(owner);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = calls.get_mut(owner)?;
        let nth = calls.iter().position(|call| call.asked == *asked)?;
        Some(calls.remove(nth).answer)
    }
}

/// The ledger of a runtime that only decides again. Every call belongs to the record of the task that makes it.
#[derive(Debug)]
pub(super) struct ReplayLedger;

/// What to do about a call.
enum Answered {
    /// The log says; the memory of guesses, where there is one, is to hear of it.
    Recorded(StateAnswer, Option<Arc<MemoryLedger>>),
    Guess(Arc<MemoryLedger>),
    /// Nobody knows yet: the record is decided once more, with a memory.
    Unknown,
}

fn answered(owner: &str, asked: &StateQuestion) -> Answered {
    let look = |tape: &Arc<Tape>| match (tape.recorded(owner, asked), &tape.memory) {
        (Some(answer), memory) => Answered::Recorded(answer, memory.clone()),
        (None, memory) => {
            tape.guessed.store(true, Ordering::Relaxed);
            memory.clone().map_or(Answered::Unknown, Answered::Guess)
        }
    };
    TAPE.try_with(look).unwrap_or(Answered::Unknown)
}

fn unknown<T>() -> Result<T, LedgerError> {
    Err(LedgerError::Unavailable("the log does not say".to_owned()))
}

impl Ledger for ReplayLedger {
    fn get<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            match answered(owner, &StateQuestion::Get { key: key.to_owned() }) {
                Answered::Recorded(StateAnswer::Value(value), memory) => {
                    if let (Some(memory), Some(value)) = (memory, value.clone()) {
                        drop(memory.put(owner, key, value, KNOWN_FOR, true, now).await);
                    }
                    Ok(value)
                }
                Answered::Recorded(answer, _) => other(answer),
                Answered::Guess(memory) => memory.get(owner, key, now).await,
                Answered::Unknown => unknown(),
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
        Box::pin(async move {
            let asked =
                StateQuestion::Put { key: key.to_owned(), value: value.clone(), ttl, if_absent };
            match answered(owner, &asked) {
                Answered::Recorded(StateAnswer::Put(put), memory) => {
                    if let Some(memory) = memory {
                        drop(memory.put(owner, key, value, ttl, !put, now).await);
                    }
                    Ok(put)
                }
                Answered::Recorded(answer, _) => other(answer),
                Answered::Guess(memory) => memory.put(owner, key, value, ttl, if_absent, now).await,
                Answered::Unknown => unknown(),
            }
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
            let asked = StateQuestion::Increment { key: key.to_owned(), delta, ttl };
            match answered(owner, &asked) {
                Answered::Recorded(StateAnswer::Sum(sum), memory) => {
                    if let Some(memory) = memory {
                        // Every ledger keeps a sum as decimal text.
                        let text = sum.to_string().into_bytes();
                        drop(memory.put(owner, key, text, ttl, false, now).await);
                    }
                    Ok(sum)
                }
                Answered::Recorded(answer, _) => other(answer),
                Answered::Guess(memory) => memory.increment(owner, key, delta, ttl, now).await,
                Answered::Unknown => unknown(),
            }
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
            match answered(owner, &StateQuestion::Reserve { key: key.to_owned(), ttl }) {
                Answered::Recorded(StateAnswer::Reserved(held), memory) => {
                    let (holder, ttl) = match held {
                        None => (by.clone(), ttl),
                        Some(holder) => (holder.by, holder.until.since(now)),
                    };
                    let hold = match memory {
                        Some(memory) => memory.reserve(owner, key, ttl, &holder, now).await.ok(),
                        None => None,
                    };
                    Ok(match hold {
                        _ if holder != *by => {
                            Reserved::Held(Holder { by: holder, until: now.after(ttl) })
                        }
                        Some(Reserved::Yes(hold)) => Reserved::Yes(hold),
                        _ => Reserved::Yes(nobodys(owner, key)),
                    })
                }
                Answered::Recorded(answer, _) => other(answer),
                Answered::Guess(memory) => memory.reserve(owner, key, ttl, by, now).await,
                Answered::Unknown => unknown(),
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
            match answered(owner, &StateQuestion::Take { charges: charges.to_vec() }) {
                Answered::Recorded(StateAnswer::Taken(standings), memory) => {
                    let taken = match memory {
                        Some(memory) => memory.take(owner, charges, now).await.ok(),
                        None => None,
                    };
                    let holds = match taken {
                        Some(Taken::Ok { holds, .. }) => holds,
                        Some(Taken::Refused(_)) | None => Vec::new(),
                    };
                    Ok(Taken::Ok { standings, holds })
                }
                Answered::Recorded(StateAnswer::Refused(refusals), _) => {
                    Ok(Taken::Refused(refusals))
                }
                Answered::Recorded(answer, _) => other(answer),
                Answered::Guess(memory) => memory.take(owner, charges, now).await,
                Answered::Unknown => unknown(),
            }
        })
    }

    fn holder<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> LedgerFuture<'a, Option<Holder>> {
        // Only a second look looks without reserving.
        Box::pin(async move {
            let asked = StateQuestion::Reserve { key: key.to_owned(), ttl: NOT_TAKEN };
            match answered(owner, &asked) {
                Answered::Recorded(StateAnswer::Reserved(held), _) => Ok(held),
                Answered::Recorded(answer, _) => other(answer),
                Answered::Guess(memory) => memory.holder(owner, key, now).await,
                Answered::Unknown => unknown(),
            }
        })
    }

    fn peek<'a>(
        &'a self,
        owner: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> LedgerFuture<'a, Taken> {
        Box::pin(async move {
            match answered(owner, &StateQuestion::Take { charges: charges.to_vec() }) {
                Answered::Recorded(StateAnswer::Taken(standings), _) => {
                    Ok(Taken::Ok { standings, holds: Vec::new() })
                }
                Answered::Recorded(StateAnswer::Refused(refusals), _) => {
                    Ok(Taken::Refused(refusals))
                }
                Answered::Recorded(answer, _) => other(answer),
                Answered::Guess(memory) => memory.peek(owner, charges, now).await,
                Answered::Unknown => unknown(),
            }
        })
    }

    fn settle<'a>(&'a self, holds: Vec<Hold>, settlement: Settlement) -> LedgerFuture<'a, ()> {
        Box::pin(async move {
            match TAPE.try_with(|tape| tape.memory.clone()) {
                Ok(Some(memory)) => memory.settle(holds, settlement).await,
                _ => Ok(()),
            }
        })
    }
}

/// The ledger's failure; an answer of another kind is in no log that Sendgate wrote.
fn other<T>(answer: StateAnswer) -> Result<T, LedgerError> {
    match answer {
        StateAnswer::Failed(error) => Err(error),
        _ => Err(LedgerError::Invalid("the log answers something else".to_owned())),
    }
}

fn nobodys(owner: &str, key: &str) -> Hold {
    Hold { owner: owner.to_owned(), key: key.to_owned(), token: 0 }
}

/// The same without keys and values.
fn nameless(asked: &StateQuestion) -> StateQuestion {
    let key = String::new();
    match asked {
        StateQuestion::Get { .. } => StateQuestion::Get { key },
        StateQuestion::Put { ttl, if_absent, .. } => {
            StateQuestion::Put { key, value: Vec::new(), ttl: *ttl, if_absent: *if_absent }
        }
        StateQuestion::Increment { delta, ttl, .. } => {
            StateQuestion::Increment { key, delta: *delta, ttl: *ttl }
        }
        StateQuestion::Reserve { ttl, .. } => StateQuestion::Reserve { key, ttl: *ttl },
        StateQuestion::Take { charges } => {
            let nameless = |charge: &Charge| Charge { key: String::new(), ..charge.clone() };
            StateQuestion::Take { charges: charges.iter().map(nameless).collect() }
        }
    }
}
