//! Those of one class that could call at once: fair shares over apps, and the nearest deadline first inside an app. What
//! an app sends with two accounts counts as that of two.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use message::{Sender, Timestamp};

use super::gate::Terms;
use super::queue::Share;

/// A waiter's rank inside its app: its deadline, then the order of its arrival.
pub(super) type Rank = (Timestamp, u64);

/// The sender of a message, whose breaker may be open, and the paces that it keeps.
type Road = (Arc<Sender>, Vec<u64>);

/// One app's waiters: of those on one road only the first can be next.
#[derive(Debug)]
struct Roads<T> {
    roads: HashMap<Road, BTreeMap<Rank, (Terms, T)>>,
    /// The first of each road.
    firsts: BTreeMap<Rank, Terms>,
}

/// One class's waiters. An app stands in `round` exactly while it has waiters.
#[derive(Debug)]
pub(super) struct Lane<T> {
    apps: HashMap<Share, Roads<T>>,
    round: VecDeque<Share>,
}

/// Who is next.
pub(super) struct Next<T> {
    pub(super) share: Share,
    pub(super) number: u64,
    pub(super) terms: Terms,
    pub(super) waiter: T,
}

impl<T> Lane<T> {
    /// An app that had no waiters joins the round at its end.
    pub(super) fn push(&mut self, app: &Share, rank: Rank, terms: Terms, waiter: T) {
        let roads = self.apps.entry(app.clone()).or_default();
        if roads.firsts.is_empty() {
            self.round.push_back(app.clone());
        }
        roads.push(rank, terms, waiter);
    }

    /// The next in turn of those that may go; an app that is passed over keeps its place in the round. Every message
    /// costs the same, so that deficit round robin is one message an app and round.
    pub(super) fn pop(
        &mut self,
        has_room: impl Fn(&Share) -> bool,
        mut may_go: impl FnMut(&Share, &Terms) -> bool,
    ) -> Option<Next<T>> {
        let mut round = self.round.iter().enumerate().filter(|(_, app)| has_room(app));
        let (nth, rank, terms) = round.find_map(|(nth, app)| {
            let firsts = &self.apps.get(app)?.firsts;
            let (rank, terms) = firsts.iter().find(|(_, terms)| may_go(app, terms))?;
            Some((nth, *rank, terms.clone()))
        })?;
        let share = self.round.remove(nth)?;
        let (terms, waiter) = self.take(&share, &terms, rank)?;
        if self.apps.contains_key(&share) {
            self.round.push_back(share.clone());
        }
        Some(Next { share, number: rank.1, terms, waiter })
    }

    /// Takes one out that does not wait any more.
    pub(super) fn remove(&mut self, app: &Share, terms: &Terms, rank: Rank) -> Option<T> {
        let (_, gone) = self.take(app, terms, rank)?;
        if !self.apps.contains_key(app) {
            self.round.retain(|known| known != app);
        }
        Some(gone)
    }

    fn take(&mut self, app: &Share, terms: &Terms, rank: Rank) -> Option<(Terms, T)> {
        let roads = self.apps.get_mut(app)?;
        let taken = roads.take(terms, rank)?;
        if roads.firsts.is_empty() {
            self.apps.remove(app);
        }
        Some(taken)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.round.is_empty()
    }
}

impl<T> Roads<T> {
    fn push(&mut self, rank: Rank, terms: Terms, waiter: T) {
        let waiters = self.roads.entry(road(&terms)).or_default();
        let first = waiters.first_key_value().map(|(first, _)| *first);
        if first.is_none_or(|first| rank < first) {
            first.map(|first| self.firsts.remove(&first));
            self.firsts.insert(rank, terms.clone());
        }
        waiters.insert(rank, (terms, waiter));
    }

    fn take(&mut self, terms: &Terms, rank: Rank) -> Option<(Terms, T)> {
        let road = road(terms);
        let waiters = self.roads.get_mut(&road)?;
        let taken = waiters.remove(&rank)?;
        if self.firsts.remove(&rank).is_some() {
            match waiters.first_key_value() {
                Some((next, (terms, _))) => {
                    self.firsts.insert(*next, terms.clone());
                }
                None => {
                    self.roads.remove(&road);
                }
            }
        }
        Some(taken)
    }
}

fn road(terms: &Terms) -> Road {
    (Arc::clone(&terms.sender), terms.tolls.iter().map(|toll| toll.pace).collect())
}

impl<T> Default for Roads<T> {
    fn default() -> Self {
        Self { roads: HashMap::new(), firsts: BTreeMap::new() }
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { apps: HashMap::new(), round: VecDeque::new() }
    }
}
