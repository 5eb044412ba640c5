//! Calls that were given up on.

use std::mem;
use std::task::{Context, Waker};

use message::{Hold, Settlement};
use redis::{FromRedisValue, ScriptInvocation};

use super::RedisLedger;
use super::untold::Word;
use crate::fault::Fault;

/// What a call may take. Dropped before its answer was heard, it is given back in the background: the server answers
/// one connection's calls in their order, so the giving back comes after the taking.
pub(super) struct Unheard<'a> {
    ledger: &'a RedisLedger,
    holds: Vec<Hold>,
}

impl<'a> Unheard<'a> {
    pub(super) fn of(ledger: &'a RedisLedger, holds: Vec<Hold>) -> Self {
        Self { ledger, holds }
    }

    /// Makes the call.
    pub(super) async fn call<T: FromRedisValue>(
        &mut self,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, Fault> {
        let answered = self.ledger.connection.call(call).await;
        if let Err(Fault::Away(_)) = answered {
            // Nothing was sent.
            self.holds.clear();
        }
        answered
    }

    /// The answer is known: what was taken is the caller's.
    pub(super) fn heard(mut self) -> Vec<Hold> {
        mem::take(&mut self.holds)
    }
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        if self.holds.is_empty() {
            return;
        }
        let (ledger, holds) = (self.ledger.clone(), mem::take(&mut self.holds));
        let mut giving_back = Box::pin(async move {
            let word = Word::Settled(Settlement::GiveBack);
            if ledger.told(&holds, word).await.is_err() {
                ledger.untold.tell(&ledger, holds, word);
            }
        });
        // It is on its way at once, so that it comes before what its caller asks next.
        if giving_back.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            self.ledger.connection.tell(giving_back);
        }
    }
}
