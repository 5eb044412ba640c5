//! The limits that are kept when messages are sent, by the generic cell rate algorithm.
//!
//! Nothing is saved up: after an outage, however long, a pace lets no more go at once than its burst. A process that
//! begins takes it that the one before it used every pace up with its last call.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use message::{Gcra, Pace};
use tokio::time::Instant;

use super::Class;

/// Most paces that are remembered. Of more, those go whose burst is back; then, of those that nobody waits for, the
/// ones whose burst is back soonest.
pub(super) const MOST: usize = 100_000;

/// What one message costs at each of its paces.
pub(super) type Tolls = Arc<[Toll]>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Toll {
    pub(super) pace: u64,
    cost: u32,
}

/// Where every pace stands.
#[derive(Debug)]
pub(super) struct Pacer {
    /// A pace that nothing is known of may have been used up at this instant, this long ago.
    latest: Option<(Instant, Duration)>,
    names: HashMap<Name, u64>,
    paces: HashMap<u64, Kept>,
    next: u64,
    most: usize,
}

/// The policy, its limit, and whose usage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name([String; 3]);

/// One pace. A limit that changed holds for those too that were accepted before.
#[derive(Debug)]
struct Kept {
    gcra: Gcra,
    /// When the next cost would go if all went evenly.
    tat: Instant,
    /// The cost of the messages that have a place, by class.
    ahead: [u64; Class::ALL.len()],
    /// How many these are.
    places: usize,
    /// How many of them cost how much.
    costs: HashMap<u32, usize>,
}

/// One look at who may go: a pace that makes one wait lets nobody go who stands after that one, or those that cost
/// little would keep those waiting that cost much.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) now: Instant,
    closed: HashSet<u64>,
    /// When the first of those opens.
    pub(super) opens: Option<Instant>,
}

impl Pacer {
    pub(super) fn new(most: usize) -> Self {
        let (names, paces) = (HashMap::new(), HashMap::new());
        Self { latest: None, names, paces, next: 0, most }
    }

    /// The process before this one called Plivo last so long ago.
    pub(super) fn called_before(&mut self, ago: Duration, now: Instant) {
        self.latest = Some((now, ago));
    }

    /// A message was accepted under these limits: they hold from here on, for all that wait or come later with others.
    pub(super) fn learn(&mut self, paces: &[Pace], now: Instant) {
        for pace in paces {
            let id = self.id(pace, now);
            if let Some(kept) = self.paces.get_mut(&id) {
                kept.gcra = pace.gcra;
            }
        }
    }

    /// A message that keeps these paces takes a place, at the limits that were learned last.
    pub(super) fn enter(&mut self, paces: &[Pace], class: Class, now: Instant) -> Tolls {
        let toll = |pace: &Pace| {
            let id = self.id(pace, now);
            let kept = self.paces.get_mut(&id)?;
            kept.ahead[class as usize] += u64::from(pace.cost);
            kept.places += 1;
            *kept.costs.entry(pace.cost).or_default() += 1;
            Some(Toll { pace: id, cost: pace.cost })
        };
        paces.iter().filter_map(toll).collect()
    }

    /// It gives its place up.
    pub(super) fn leave(&mut self, tolls: &[Toll], class: Class) {
        for toll in tolls {
            if let Some(kept) = self.paces.get_mut(&toll.pace) {
                kept.ahead[class as usize] -= u64::from(toll.cost);
                kept.places -= 1;
                if let Some(count) = kept.costs.get_mut(&toll.cost) {
                    *count -= 1;
                    if *count == 0 {
                        kept.costs.remove(&toll.cost);
                    }
                }
            }
        }
    }

    /// Whether all paces let it go. Ask in the order of the turns.
    pub(super) fn lets_go(&self, tolls: &[Toll], look: &mut Look) -> bool {
        let mut all = true;
        for toll in tolls {
            let Some(kept) = self.paces.get(&toll.pace) else { continue };
            let opens = kept.opens(u64::from(toll.cost));
            if opens > look.now && look.closed.insert(toll.pace) {
                look.opens = Some(look.opens.map_or(opens, |other| other.min(opens)));
            }
            all &= !look.closed.contains(&toll.pace);
        }
        all
    }

    /// Charges one that goes.
    pub(super) fn pay(&mut self, tolls: &[Toll], now: Instant) {
        for toll in tolls {
            if let Some(kept) = self.paces.get_mut(&toll.pace) {
                kept.tat = kept.tat.max(now) + span(kept.gcra, u64::from(toll.cost));
            }
        }
    }

    /// Gives back what one paid that did not go after all.
    pub(super) fn pay_back(&mut self, tolls: &[Toll]) {
        for toll in tolls {
            if let Some(kept) = self.paces.get_mut(&toll.pace) {
                let span = span(kept.gcra, u64::from(toll.cost));
                kept.tat = kept.tat.checked_sub(span).unwrap_or(kept.tat);
            }
        }
    }

    /// How long until a message of this class that came at `then`, which is now or later, would be let go, behind all that
    /// are no less urgent. Those that wait now go on going until then.
    pub(super) fn wait(
        &self,
        paces: &[Pace],
        class: Class,
        (now, then): (Instant, Instant),
    ) -> Duration {
        let wait = |pace: &Pace| match self.names.get(&Name::of(pace)) {
            Some(id) => self
                .paces
                .get(id)
                .map_or(Duration::ZERO, |kept| kept.wait(pace, class, (now, then))),
            None => opens(pace.gcra, self.unknown(pace.gcra, now).max(then), u64::from(pace.cost))
                .saturating_duration_since(then),
        };
        paces.iter().map(wait).max().unwrap_or_default()
    }

    fn id(&mut self, pace: &Pace, now: Instant) -> u64 {
        let name = Name::of(pace);
        if let Some(id) = self.names.get(&name) {
            return *id;
        }
        if self.paces.len() >= self.most {
            self.make_room(now);
        }
        self.next += 1;
        let (ahead, tat) = ([0; Class::ALL.len()], self.unknown(pace.gcra, now));
        self.paces.insert(
            self.next,
            Kept { gcra: pace.gcra, tat, ahead, places: 0, costs: HashMap::new() },
        );
        self.names.insert(name, self.next);
        self.next
    }

    /// Where a pace may stand at worst that nothing is known of.
    fn unknown(&self, gcra: Gcra, now: Instant) -> Instant {
        self.latest
            .map_or(now, |(at, ago)| at + span(gcra, u64::from(gcra.burst)).saturating_sub(ago))
    }

    fn make_room(&mut self, now: Instant) {
        self.paces.retain(|_, kept| kept.places > 0 || kept.tat > now);
        let mut idle: Vec<(Instant, u64)> = self
            .paces
            .iter()
            .filter(|(_, kept)| kept.places == 0)
            .map(|(id, kept)| (kept.tat, *id))
            .collect();
        idle.sort_unstable();
        let excess = self.paces.len().saturating_sub(self.most / 2);
        for (_, id) in idle.into_iter().take(excess) {
            self.paces.remove(&id);
        }
        self.names.retain(|_, id| self.paces.contains_key(id));
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.paces.values().map(|kept| kept.places).sum()
    }
}

impl Kept {
    /// What `Pacer::wait` says of one pace, at its limit of now.
    fn wait(&self, pace: &Pace, class: Class, (now, then): (Instant, Instant)) -> Duration {
        let (gcra, cost) = (pace.gcra, u64::from(pace.cost));
        let mut ahead: u64 = self.ahead[..=class as usize].iter().sum();
        let mut tat = self.tat.max(now);
        if then > now {
            let all: u64 = self.ahead.iter().sum();
            let Some(each) = self.cost_of_each() else {
                // Which of them goes last before then is not known: at worst it has just gone.
                let behind = |ahead| {
                    opens(gcra, tat + span(gcra, ahead), cost).saturating_duration_since(then)
                };
                return behind(ahead).max(behind(all).min(span(gcra, cost)));
            };
            let mut left = all;
            while left > 0 && opens(gcra, tat, each) <= then {
                tat += span(gcra, each);
                left -= each;
                ahead = ahead.saturating_sub(each);
            }
            tat = tat.max(then);
        }
        opens(gcra, tat + span(gcra, ahead), cost).saturating_duration_since(then)
    }

    /// What each of those that wait costs, where it is the same.
    fn cost_of_each(&self) -> Option<u64> {
        match self.costs.len() {
            0 => Some(1),
            1 => self.costs.keys().next().copied().map(u64::from),
            _ => None,
        }
    }

    fn opens(&self, cost: u64) -> Instant {
        opens(self.gcra, self.tat, cost)
    }
}

impl Look {
    pub(super) fn at(now: Instant) -> Self {
        Self { now, closed: HashSet::new(), opens: None }
    }
}

impl Name {
    fn of(pace: &Pace) -> Self {
        Self([pace.owner.clone(), pace.limit.clone(), pace.key.clone()])
    }
}

/// When `cost` may go. One above the burst goes when the burst is whole, and pays all of it.
fn opens(gcra: Gcra, tat: Instant, cost: u64) -> Instant {
    let spare = u64::from(gcra.burst).saturating_sub(cost);
    tat.checked_sub(span(gcra, spare)).unwrap_or(tat)
}

/// How far `cost` moves a pace. Rounded up, so that a quota that does not divide its period is never exceeded.
fn span(gcra: Gcra, cost: u64) -> Duration {
    /// Longer than anything waits, and short enough to be added to any instant.
    const LONGEST: Duration = Duration::from_secs(366 * 86_400);
    let one = gcra.per.as_nanos().div_ceil(u128::from(gcra.quota.max(1)));
    let nanos = one.saturating_mul(u128::from(cost));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(LONGEST)
}

#[cfg(test)]
mod tests;
