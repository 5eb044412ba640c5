//! The import `state`: the ledger behind one policy's name, with every number of the guest's bounded at the door.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use message::{Ledger, LedgerError, LedgerFuture, Reserved, Taken};

use super::charges;
use crate::basis::{NOT_TAKEN, StateAnswer, StateQuestion};
use crate::bindings::state::{Charge, Holder, Host, StateError, Taken as WitTaken};
use crate::failure::Cut;
use crate::visit::{Asking, Visit};

/// Most bytes of a key; the contract's number.
pub(super) const KEY_BYTES: usize = 256;
/// Most bytes of a value; the contract's number.
const VALUE_BYTES: usize = 4_096;
/// Longest life of a reservation.
const LONGEST_TTL: Duration = Duration::from_secs(31 * 86_400);
/// Longest life of a value: an opt-out is to outlive every campaign. The contract's number.
const LONGEST_VALUE: Duration = Duration::from_secs(10 * 366 * 86_400);

type Answer<T> = wasmtime::Result<Result<T, StateError>>;

impl Host for Visit {
    async fn get(&mut self, key: String) -> Answer<Option<Vec<u8>>> {
        let asking = match self.admit(&key)? {
            Ok(asking) => asking,
            Err(error) => return Ok(Err(error)),
        };
        let (ledger, owner) = self.ledger(&asking);
        let found = self.look(&ledger, owner.as_str(), &key, &asking).await?;
        self.asked(|| (StateQuestion::Get { key }, answered(&found, StateAnswer::Value)));
        Ok(found.map_err(refused))
    }

    async fn put(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl_ms: u64,
        if_absent: bool,
    ) -> Answer<bool> {
        let asking = match self.admit(&key)? {
            Ok(asking) => asking,
            Err(error) => return Ok(Err(error)),
        };
        if value.len() > VALUE_BYTES {
            return Ok(Err(invalid(format!("a value has at most {VALUE_BYTES} bytes"))));
        }
        let (ledger, owner) = self.ledger(&asking);
        if asking.dry_run {
            let found = self.look(&ledger, owner.as_str(), &key, &asking).await?;
            self.asked(|| (StateQuestion::Get { key }, answered(&found, StateAnswer::Value)));
            return Ok(found.map(|found| !(if_absent && found.is_some())).map_err(refused));
        }
        let ttl = ttl(ttl_ms, LONGEST_VALUE);
        let kept = asking.record.then(|| value.clone());
        let put = ledger.put(owner.as_str(), &key, value, ttl, if_absent, asking.now);
        let put = self.wait(put).await?;
        self.asked(|| {
            let value = kept.unwrap_or_default();
            let question = StateQuestion::Put { key, value, ttl, if_absent };
            (question, answered(&put, StateAnswer::Put))
        });
        Ok(put.map_err(refused))
    }

    async fn increment(&mut self, key: String, delta: i64, ttl_ms: u64) -> Answer<i64> {
        let asking = match self.admit(&key)? {
            Ok(asking) => asking,
            Err(error) => return Ok(Err(error)),
        };
        let (ledger, owner) = self.ledger(&asking);
        if asking.dry_run {
            let found = self.look(&ledger, owner.as_str(), &key, &asking).await?;
            self.asked(|| (StateQuestion::Get { key }, answered(&found, StateAnswer::Value)));
            let sum = found.map_err(refused).and_then(counted);
            return Ok(sum.map(|sum| sum.saturating_add(delta)));
        }
        let ttl = ttl(ttl_ms, LONGEST_VALUE);
        let sum = ledger.increment(owner.as_str(), &key, delta, ttl, asking.now);
        let sum = self.wait(sum).await?;
        self.asked(|| {
            (StateQuestion::Increment { key, delta, ttl }, answered(&sum, StateAnswer::Sum))
        });
        Ok(sum.map_err(refused))
    }

    async fn reserve(&mut self, key: String, ttl_ms: u64) -> Answer<Option<Holder>> {
        let asking = match self.admit(&key)? {
            Ok(asking) => asking,
            Err(error) => return Ok(Err(error)),
        };
        let (ledger, owner) = self.ledger(&asking);
        let owner = owner.as_str();
        let held = if asking.dry_run {
            let held = self.wait(ledger.holder(owner, &key, asking.clock())).await?;
            let held = held.map(|held| held.filter(|holder| holder.until > asking.now));
            let question = StateQuestion::Reserve { key, ttl: NOT_TAKEN };
            self.asked(|| (question, answered(&held, StateAnswer::Reserved)));
            held
        } else {
            let ttl = ttl(ttl_ms, LONGEST_TTL);
            let asked = ledger.reserve(owner, &key, ttl, &asking.by, asking.now);
            let held = self.wait(asked).await?.map(|reserved| match reserved {
                Reserved::Yes(hold) => {
                    if !asking.guesses() {
                        self.spent.holds.push(hold);
                    }
                    None
                }
                Reserved::Held(holder) => Some(holder),
            });
            self.asked(|| {
                (StateQuestion::Reserve { key, ttl }, answered(&held, StateAnswer::Reserved))
            });
            held
        };
        let others = held.map_err(refused).map(|held| held.filter(|holder| holder.by != asking.by));
        Ok(others.map(|held| held.map(charges::holder)))
    }

    async fn take(&mut self, charges: Vec<Charge>) -> Answer<WitTaken> {
        let asking = match self.admit("-")? {
            Ok(asking) => asking,
            Err(error) => return Ok(Err(error)),
        };
        let charges = match charges::read(charges, &asking.account) {
            Ok(charges) => charges,
            Err(what) => return Ok(Err(invalid(what))),
        };
        let (ledger, owner) = self.ledger(&asking);
        let taking = match asking.dry_run {
            true => ledger.peek(owner.as_str(), &charges, asking.clock()),
            false => ledger.take(owner.as_str(), &charges, asking.now),
        };
        let taken = self.wait(taking).await?;
        self.asked(|| {
            let answer = answered(&taken, |taken| match taken {
                Taken::Ok { standings, holds: _ } => StateAnswer::Taken(standings),
                Taken::Refused(refusals) => StateAnswer::Refused(refusals),
            });
            (StateQuestion::Take { charges: charges.clone() }, answer)
        });
        let taken = match taken {
            Ok(taken) => charges::later(taken, &charges, asking.ahead),
            Err(error) => return Ok(Err(refused(error))),
        };
        Ok(Ok(match taken {
            Taken::Ok { standings, holds } => {
                self.charged(charges, &standings, holds);
                WitTaken::Ok(standings.into_iter().map(charges::standing).collect())
            }
            Taken::Refused(refusals) => {
                for refusal in &refusals {
                    let of = charges.iter().find(|charge| charge.limit == refusal.limit);
                    if let Some(charge) = of {
                        self.refused(charge, refusal);
                    }
                }
                WitTaken::Refused(refusals.into_iter().map(charges::refusal).collect())
            }
        }))
    }
}

impl Visit {
    /// The value under `key`, as it will be at the instant that is asked about.
    async fn look(
        &mut self,
        ledger: &Arc<dyn Ledger>,
        owner: &str,
        key: &str,
        asking: &Asking,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, LedgerError>> {
        let found = match asking.ahead.is_zero() {
            true => ledger.get(owner, key, asking.now),
            false => ledger.foresee(owner, key, asking.clock(), asking.now),
        };
        self.wait(found).await
    }

    /// Counts the call and looks at the key; says who asks.
    fn admit(&mut self, key: &str) -> Answer<Asking> {
        self.count_call()?;
        if key.is_empty() || key.len() > KEY_BYTES {
            return Ok(Err(invalid(format!("a key has 1 to {KEY_BYTES} bytes"))));
        }
        let Some(asking) = &self.asking else {
            let what =
                "there is no state in `describe` and `configure`, only while a message is at hand";
            return Ok(Err(invalid(what.to_owned())));
        };
        Ok(Ok(asking.clone()))
    }

    /// Waits for the ledger, as long as the visit still may. A ledger in memory answers at once, without a timer.
    async fn wait<T>(
        &mut self,
        mut answer: LedgerFuture<'_, T>,
    ) -> wasmtime::Result<Result<T, LedgerError>> {
        let at_once = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
        let answered = match at_once {
            Poll::Ready(answered) => answered,
            Poll::Pending => {
                let began = Instant::now();
                let answered = tokio::time::timeout(self.patience(), answer).await;
                self.spent.waited += began.elapsed();
                answered.map_err(|_elapsed| Cut::Waited)?
            }
        };
        self.spent.unavailable |= matches!(answered, Err(LedgerError::Unavailable(_)));
        Ok(answered)
    }
}

fn refused(error: LedgerError) -> StateError {
    match error {
        LedgerError::Full => StateError::Full,
        LedgerError::Invalid(what) => StateError::Invalid(what),
        LedgerError::Unavailable(why) => StateError::Unavailable(why),
    }
}

/// What the ledger has answered, for the record.
fn answered<T: Clone>(
    answer: &Result<T, LedgerError>,
    as_answer: impl FnOnce(T) -> StateAnswer,
) -> StateAnswer {
    match answer {
        Ok(answer) => as_answer(answer.clone()),
        Err(error) => StateAnswer::Failed(error.clone()),
    }
}

/// The guest chose it, so it is bounded here.
fn ttl(ms: u64, most: Duration) -> Duration {
    Duration::from_millis(ms.max(1)).min(most)
}

/// The sum under a key: every ledger keeps it as decimal text.
fn counted(found: Option<Vec<u8>>) -> Result<i64, StateError> {
    let Some(found) = found else { return Ok(0) };
    let number = std::str::from_utf8(&found).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| invalid("the value under this key is not a counter".to_owned()))
}

fn invalid(what: String) -> StateError {
    StateError::Invalid(what)
}
