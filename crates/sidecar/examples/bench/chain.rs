//! The chain of four alone, in this process: warm, with a fresh instance a call, and as native code.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use message::Settlement;
use policy_host::{
    Grant, Isolation, PolicyChain, PolicyName, PolicyRuntime, PolicySource, RuntimeOptions,
};
use store::MemoryLedger;

use crate::policies::{POLICIES, built};
use crate::report::quantile;
use crate::rules::{Question, Rules};
use crate::{Result, sample};

/// Rounds of the three for a figure, and calls of each in a round.
pub(crate) const ROUNDS: usize = 40;
const CALLS: usize = 250;
/// Calls of each before anything counts.
const WARM_UP: usize = 100;

/// How long one decision of all four takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) p50: Duration,
    pub(crate) p90: Duration,
}

/// The three ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainTimes {
    pub(crate) native: Times,
    pub(crate) warm: Times,
    pub(crate) fresh: Times,
    /// What each policy took of the warm chain's time, by the host's own clock.
    pub(crate) each_warm: [Times; POLICIES.len()],
}

/// The calls of one chain, and in them of each policy.
#[derive(Default)]
struct Calls {
    whole: Vec<Duration>,
    each: [Vec<Duration>; POLICIES.len()],
}

/// Measures the three in turns, so many times. What is measured is the decision: the message, its facts and the settling are not.
pub(crate) async fn measure(rounds: usize) -> Result<ChainTimes> {
    message::facts::warm_up();
    let rules = Rules::new()?;
    let (warm, fresh) = (chain(Isolation::Warm).await?, chain(Isolation::Fresh).await?);
    let mut nth = 0;
    by_rules(&rules, &mut nth, WARM_UP, &mut Vec::new()).await?;
    by_chain(&warm, &mut nth, WARM_UP, &mut Calls::default()).await?;
    by_chain(&fresh, &mut nth, WARM_UP, &mut Calls::default()).await?;
    let (mut native_calls, mut warm_calls, mut fresh_calls) =
        (Vec::new(), Calls::default(), Calls::default());
    for _ in 0..rounds {
        by_rules(&rules, &mut nth, CALLS, &mut native_calls).await?;
        by_chain(&warm, &mut nth, CALLS, &mut warm_calls).await?;
        by_chain(&fresh, &mut nth, CALLS, &mut fresh_calls).await?;
    }
    Ok(ChainTimes {
        native: Times::of(native_calls),
        warm: Times::of(warm_calls.whole),
        fresh: Times::of(fresh_calls.whole),
        each_warm: warm_calls.each.map(Times::of),
    })
}

impl Times {
    fn of(mut calls: Vec<Duration>) -> Self {
        calls.sort_unstable();
        Self { p50: quantile(&calls, 0.5), p90: quantile(&calls, 0.9) }
    }
}

async fn chain(isolation: Isolation) -> Result<PolicyChain> {
    let runtime = PolicyRuntime::new(RuntimeOptions::new(Arc::new(MemoryLedger::default())))?;
    let mut sources = Vec::new();
    for policy in &POLICIES {
        let path = policy.module(&built());
        let module = fs::read(&path)
            .map_err(|err| format!("{}: {err}; run `cargo xtask policies`", path.display()))?;
        let mut source = PolicySource::new(PolicyName::new(policy.name), module);
        source.settings = policy.settings()?;
        source.grants = policy.grants().filter_map(Grant::from_word).collect();
        source.isolation = isolation;
        sources.push(source);
    }
    let built = runtime.build(None, &sources).await;
    built.map_err(|errors| format!("the policies do not load: {errors:?}").into())
}

async fn by_chain(
    chain: &PolicyChain,
    nth: &mut u64,
    count: usize,
    calls: &mut Calls,
) -> Result<()> {
    for _ in 0..count {
        *nth += 1;
        let candidate = sample::candidate(*nth)?;
        let began = Instant::now();
        let decided = chain.clear(candidate).await;
        calls.whole.push(began.elapsed());
        let cleared = decided.map_err(|stopped| format!("refused: {:?}", stopped.kind))?;
        for (calls, decision) in calls.each.iter_mut().zip(cleared.decisions()) {
            calls.push(decision.elapsed);
        }
        cleared.settle(Settlement::Keep).await?;
    }
    Ok(())
}

async fn by_rules(
    rules: &Rules,
    nth: &mut u64,
    count: usize,
    calls: &mut Vec<Duration>,
) -> Result<()> {
    for _ in 0..count {
        *nth += 1;
        let question = Question::of(&sample::candidate(*nth)?);
        let began = Instant::now();
        let decided = rules.decide(&question).await;
        calls.push(began.elapsed());
        rules.sent(decided?.0).await?;
    }
    Ok(())
}
