use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use super::limits::Usage;
use crate::NumberFacts;
use crate::log::Level;
use crate::media::Probe;
use crate::state::Holder;

thread_local! {
    static FAKES: RefCell<Fakes> = RefCell::default();
}

/// Everything that the fakes of one thread keep.
#[derive(Debug, Default)]
pub(super) struct Fakes {
    pub(super) now_ms: u64,
    /// The message that is being decided on.
    pub(super) message: String,
    /// Calls to `state` in this decision.
    pub(super) calls: u32,
    /// The call of the next decision that fails, counted from 1.
    failing: Option<u32>,
    /// That of this one.
    pub(super) fails: Option<u32>,
    pub(super) kept: Kept,
    /// As it was before this decision.
    before: Kept,
    lines: Vec<(Level, String)>,
    counters: BTreeMap<String, u64>,
    numbers: HashMap<String, NumberFacts>,
    probes: Vec<Option<Probe>>,
}

/// What outlives a decision.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) values: HashMap<String, Expiring>,
    pub(super) reservations: HashMap<String, Holder>,
    pub(super) usage: HashMap<(String, String), Usage>,
}

/// A value until an instant.
#[derive(Clone, Debug)]
pub(super) struct Expiring {
    pub(super) value: Vec<u8>,
    pub(super) until_ms: u64,
}

pub(super) fn with<T>(body: impl FnOnce(&mut Fakes) -> T) -> T {
    FAKES.with_borrow_mut(body)
}

pub(super) fn forget() {
    with(|fakes| *fakes = Fakes::default());
}

pub(super) fn begin(message: &str, now_ms: u64) {
    with(|fakes| {
        fakes.now_ms = now_ms;
        fakes.message = message.into();
        fakes.calls = 0;
        fakes.fails = fakes.failing.take();
        fakes.before = fakes.kept.clone();
    });
}

/// Has the `nth` call of [`state`](crate::state) of the next decision fail, as where the shared store is away.
pub fn fail_call(nth: u32) {
    with(|fakes| fakes.failing = Some(nth));
}

/// Undoes the reservations and charges since [`begin`]; what was put stays.
pub(super) fn give_back() {
    with(|fakes| {
        fakes.kept.reservations = fakes.before.reservations.clone();
        fakes.kept.usage = fakes.before.usage.clone();
    });
}

/// Undoes everything since [`begin`], as where the state was only looked at.
pub(super) fn undo() {
    with(|fakes| fakes.kept = fakes.before.clone());
}

/// The lines logged since the [`Case`](super::Case) was made.
pub fn lines() -> Vec<(Level, String)> {
    with(|fakes| fakes.lines.clone())
}

/// The sum of what was added to the counter `name`.
pub fn counter(name: &str) -> u64 {
    with(|fakes| fakes.counters.get(name).copied().unwrap_or(0))
}

/// Lets [`telecom::classify`](crate::telecom::classify) answer so for `number`, whatever the numbering data say.
pub fn know(number: &str, facts: NumberFacts) {
    with(|fakes| fakes.numbers.insert(number.into(), facts));
}

/// Writes a line.
pub(crate) fn log(level: Level, message: &str) {
    with(|fakes| fakes.lines.push((level, message.into())));
}

/// Adds to a counter. Names are `[a-z][a-z0-9_]{0,62}`; at most 32 names a policy.
pub fn add(name: &str, value: u64) {
    with(|fakes| *fakes.counters.entry(name.into()).or_default() += value);
}

/// What `number` is; absent where it is not E.164.
pub fn classify(number: &str) -> Option<NumberFacts> {
    let known = with(|fakes| fakes.numbers.get(number).cloned());
    known.or_else(|| {
        let number = message::E164::parse(number, "").ok()?;
        Some(super::convert::number(message::facts::number(&number)))
    })
}

/// Lets [`media::probes`](crate::media::probes) answer this.
pub fn probed(probes: Vec<Option<Probe>>) {
    with(|fakes| fakes.probes = probes);
}

/// What was found at each media URL.
pub fn probes() -> Vec<Option<Probe>> {
    with(|fakes| fakes.probes.clone())
}
