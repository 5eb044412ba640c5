//! Several questions in one trip.

use message::{Foreseen, Foretold, Hold, MessageId, StateAnswer, StateQuestion, Taken, Timestamp};
use redis::{FromRedisValue, Value};

use super::unheard::Unheard;
use super::words::Words;
use super::{RedisLedger, charges, holder, scripts};
use crate::fault::Fault;

impl RedisLedger {
    /// Asks what is `foreseen`, and before it the claim of an idempotency key where there is one: up to the first that
    /// is not answered as hoped, and no further than the first that cannot be asked. Returns the claim's answer too.
    pub(crate) async fn ask_ahead(
        &self,
        claim: Option<&Words>,
        foreseen: Vec<Foreseen>,
        by: &MessageId,
        now: Timestamp,
    ) -> Result<(Option<Value>, Vec<Foretold>), Fault> {
        let mut call = scripts::AHEAD.prepare_invoke();
        call.arg((self.clock)(now));
        if let Some(claim) = claim {
            claim.join("claim", &mut call);
        }
        let mut asked = Vec::with_capacity(foreseen.len());
        for foreseen in foreseen {
            let Some((kind, words, holds)) = self.to_ask(&foreseen, by, now) else { break };
            words.join(kind, &mut call);
            asked.push((foreseen, holds));
        }
        if claim.is_none() && asked.is_empty() {
            return Ok((None, Vec::new()));
        }
        let may_take = asked.iter().flat_map(|(_, holds)| holds).cloned().collect();
        let mut unheard = Unheard::of(self, may_take);
        store::fail::point("shared.ahead");
        let mut answers = unheard.call::<Vec<Value>>(&call).await?.into_iter();
        store::fail::point("shared.foretold");
        unheard.heard();
        let claimed = claim.and_then(|_| answers.next());
        let mut foretold = Vec::with_capacity(asked.len());
        for ((foreseen, holds), answer) in asked.into_iter().zip(answers) {
            let Some((answer, holds)) = self.read(&foreseen.asked, answer, holds) else { break };
            foretold.push(Foretold { foreseen, answer, holds });
        }
        Ok((claimed, foretold))
    }

    /// Gives back in the background what was foretold.
    pub(crate) fn give_back(&self, foretold: Vec<Foretold>) {
        drop(Unheard::of(self, foretold.into_iter().flat_map(|each| each.holds).collect()));
    }

    /// None where it is out of bounds: whoever asks it hears why. Nor where it could not be given back, should the trip
    /// come to nothing, or the policy ask for something else: then only the policy itself asks it.
    fn to_ask(
        &self,
        Foreseen { owner, asked }: &Foreseen,
        by: &MessageId,
        now: Timestamp,
    ) -> Option<(&'static str, Words, Vec<Hold>)> {
        Some(match asked {
            StateQuestion::Get { key } => ("get", self.to_get(owner, key, now).ok()?, Vec::new()),
            StateQuestion::Put { .. } | StateQuestion::Increment { .. } => return None,
            StateQuestion::Reserve { key, ttl } => {
                let (words, hold) = self.to_reserve((owner, key), *ttl, by, now).ok()?;
                ("reserve", words, vec![hold])
            }
            StateQuestion::Take { charges } => {
                let (words, holds) = self.to_take(owner, charges, now, true).ok()?;
                ("take", words, holds)
            }
        })
    }

    /// The answer, and what is held by it; none where it is an error, or cannot be read.
    fn read(
        &self,
        asked: &StateQuestion,
        answer: Value,
        holds: Vec<Hold>,
    ) -> Option<(StateAnswer, Vec<Hold>)> {
        // Given back unless its answer is known.
        let holds = Unheard::of(self, holds);
        let answer = match asked {
            StateQuestion::Get { .. } => StateAnswer::Value(heard(answer)?),
            StateQuestion::Put { .. } | StateQuestion::Increment { .. } => return None,
            StateQuestion::Reserve { .. } => {
                let held: Option<(String, u64)> = heard(answer)?;
                StateAnswer::Reserved(held.map(holder))
            }
            StateQuestion::Take { charges } => {
                let answer: Vec<u64> = heard(answer)?;
                match charges::read(&answer, charges, Vec::new).ok()? {
                    Taken::Ok { standings, .. } => StateAnswer::Taken(standings),
                    Taken::Refused(refusals) => StateAnswer::Refused(refusals),
                }
            }
        };
        let holds = holds.heard();
        let taken = asked.is_hoped(&answer);
        Some((answer, if taken { holds } else { Vec::new() }))
    }
}

fn heard<T: FromRedisValue>(answer: Value) -> Option<T> {
    redis::from_redis_value(answer).ok()
}
