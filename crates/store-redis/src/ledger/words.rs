//! Questions as their scripts read them.

use std::time::Duration;

use message::{Charge, Hold, LedgerError, MessageId, Timestamp};
use redis::{Script, ScriptInvocation, ToRedisArgs};

use super::bounds::{check_key, check_ttl, check_value};
use super::{LEASE, RESERVATION, RedisLedger, VALUE, charges, micros};

/// Keys and arguments of one question.
#[derive(Default)]
pub(crate) struct Words {
    keys: Vec<String>,
    args: Vec<Vec<u8>>,
}

impl Words {
    pub(crate) fn key(&mut self, key: impl Into<String>) -> &mut Self {
        self.keys.push(key.into());
        self
    }

    pub(crate) fn arg(&mut self, arg: impl ToRedisArgs) -> &mut Self {
        self.args.extend(arg.to_redis_args());
        self
    }

    /// To be asked by itself.
    pub(crate) fn call<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.key(&self.keys).arg(&self.args);
        call
    }

    /// To be asked among others, as the question `kind`.
    pub(super) fn join(&self, kind: &str, call: &mut ScriptInvocation<'_>) {
        call.arg(kind).arg(self.keys.len()).arg(self.args.len());
        call.key(&self.keys).arg(&self.args);
    }
}

/// Each refuses what is out of bounds.
impl RedisLedger {
    /// Of a question that decides by the clock.
    fn words(&self, now: Timestamp) -> Words {
        let mut words = Words::default();
        words.arg((self.clock)(now));
        words
    }

    pub(super) fn to_get(
        &self,
        owner: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Words, LedgerError> {
        check_key(key)?;
        let mut words = self.words(now);
        words.key(self.key(owner, VALUE, key));
        Ok(words)
    }

    pub(super) fn to_put(
        &self,
        (owner, key): (&str, &str),
        value: &[u8],
        ttl: Duration,
        if_absent: bool,
        now: Timestamp,
    ) -> Result<Words, LedgerError> {
        check_key(key)?;
        check_ttl(ttl)?;
        check_value(value)?;
        let mut words = self.words(now);
        words.key(self.key(owner, VALUE, key));
        words.arg(value).arg(micros(ttl)).arg(u8::from(if_absent));
        Ok(words)
    }

    pub(super) fn to_increment(
        &self,
        (owner, key): (&str, &str),
        delta: i64,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Words, LedgerError> {
        check_key(key)?;
        check_ttl(ttl)?;
        let mut words = self.words(now);
        words.key(self.key(owner, VALUE, key)).arg(delta).arg(micros(ttl));
        Ok(words)
    }

    pub(super) fn to_reserve(
        &self,
        (owner, key): (&str, &str),
        ttl: Duration,
        by: &MessageId,
        now: Timestamp,
    ) -> Result<(Words, Hold), LedgerError> {
        check_key(key)?;
        check_ttl(ttl)?;
        let hold =
            Hold { owner: owner.into(), key: [RESERVATION, key].concat(), token: charges::token() };
        let mut words = self.words(now);
        words.key(self.key(owner, RESERVATION, key));
        words
            .arg(&*by.0)
            .arg(hold.token)
            .arg(micros(ttl))
            .arg(micros(store::fail::shortened(LEASE)));
        Ok((words, hold))
    }

    /// To charge, or only to look.
    pub(super) fn to_take(
        &self,
        owner: &str,
        charges: &[Charge],
        now: Timestamp,
        charging: bool,
    ) -> Result<(Words, Vec<Hold>), LedgerError> {
        let holds = charges::holds(owner, charges)?;
        let mut words = self.words(now);
        words.arg(u8::from(charging));
        for (charge, hold) in charges.iter().zip(&holds) {
            let [hash, set] = self.limit_keys(hold);
            words.key(hash).key(set);
            charges::write(charge, hold.token, now, &mut words)?;
        }
        Ok((words, holds))
    }
}
