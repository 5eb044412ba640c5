//! The order of turns, without clock, tasks or locks.

#[cfg(test)]
mod model;
#[cfg(test)]
mod paced;
#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use message::{E164, Pace, Sender, Timestamp};
use tokio::time::Instant;

use super::Class;
use super::gate::{Gate, Passes, Queued, Terms};
use super::lane::{Lane, Next};
use super::pacer::{Look, MOST, Pacer, Tolls};

/// Messages that keep their order: those of one app, account and class to one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Line {
    pub(super) share: Share,
    pub(super) class: Class,
    pub(super) recipient: E164,
}

/// Who shares a class's turns: an app, with the account that its messages are sent with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Share {
    pub(super) account: Arc<str>,
    pub(super) app: Arc<str>,
}

/// The calls of one account: one that does not answer takes no turn from another.
#[derive(Debug)]
struct Calls<G> {
    room: usize,
    out: usize,
    gate: G,
}

/// A message's place in its line.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) line: Line,
    /// Counted over all lines, in the order of arrival.
    pub(super) number: u64,
    pub(super) terms: Terms,
}

/// Who waits for a turn, and how many have one. `T` is a waiter.
#[derive(Debug)]
pub(super) struct Queue<T: Queued> {
    /// By account; one that is not there has none.
    calls: HashMap<Arc<str>, Calls<T::Gate>>,
    /// Since when whoever waits does, by class and number.
    waiting: [HashSet<u64>; Class::ALL.len()],
    arrivals: u64,
    /// Every place by its number, with its waiter where it wants a turn and others stand before it.
    lines: HashMap<Line, BTreeMap<u64, Option<Held<T>>>>,
    /// Those that stand first in their line and want a turn, by class. While there is room, only those that their
    /// paces or a breaker do not let go.
    lanes: [Lane<T>; Class::ALL.len()],
    pub(super) pacer: Pacer,
    /// While it is more than none, nobody has a turn.
    shut: usize,
    /// When to look again, as somebody was asked to.
    alarm: Option<Instant>,
    /// Nobody was asked yet.
    unset: bool,
}

/// The right to a call that somebody waits with.
type PassOf<T> = <<T as Queued>::Gate as Gate>::Pass;

/// A waiter behind others of its line.
#[derive(Debug)]
struct Held<T> {
    deadline: Timestamp,
    terms: Terms,
    waiter: T,
}

impl<T: Queued> Queue<T> {
    pub(super) fn new() -> Self {
        let lanes = Class::ALL.map(|_| Lane::default());
        Self {
            calls: HashMap::new(),
            waiting: Default::default(),
            arrivals: 0,
            lines: HashMap::new(),
            lanes,
            pacer: Pacer::new(MOST),
            shut: 0,
            alarm: None,
            unset: false,
        }
    }

    /// Takes the last place of a line.
    pub(super) fn enter(
        &mut self,
        line: Line,
        sender: &Sender,
        paces: &[Pace],
        now: Instant,
    ) -> Spot {
        self.arrivals += 1;
        let tolls = self.pacer.enter(paces, line.class, now);
        self.lines.entry(line.clone()).or_default().insert(self.arrivals, None);
        let terms = Terms { sender: Arc::new(sender.clone()), tolls };
        Spot { line, number: self.arrivals, terms }
    }

    /// Takes a turn if that needs no waiting and keeps no pace, and nothing holds anybody back.
    pub(super) fn take(&mut self, spot: &Spot, now: Instant) -> Option<PassOf<T>> {
        if self.shut > 0 || !spot.terms.tolls.is_empty() || !self.is_first(spot) {
            return None;
        }
        let calls = self.calls.get_mut(&spot.line.share.account);
        let calls = calls.filter(|calls| calls.are_free())?;
        let pass = calls.gate.at_once(&spot.terms.sender, now)?;
        calls.out += 1;
        Some(pass)
    }

    /// Waits for a turn that could not be taken at once. Returns whom that grants one: perhaps this one.
    pub(super) fn wait(
        &mut self,
        spot: &Spot,
        deadline: Timestamp,
        waiter: T,
        now: Instant,
    ) -> Vec<T> {
        self.waiting[spot.line.class as usize].insert(spot.number);
        if self.is_first(spot) {
            let (rank, terms) = ((deadline, spot.number), spot.terms.clone());
            self.lane(spot.line.class).push(&spot.line.share, rank, terms, waiter);
        } else if let Some(place) = self.place(spot) {
            *place = Some(Held { deadline, terms: spot.terms.clone(), waiter });
            return Vec::new();
        }
        self.granted(now)
    }

    /// Stops waiting; nothing where the turn was granted meanwhile. Returns whom that grants a turn: those behind it at
    /// its paces may cost less.
    pub(super) fn withdraw(&mut self, spot: &Spot, deadline: Timestamp, now: Instant) -> Vec<T> {
        self.waiting[spot.line.class as usize].remove(&spot.number);
        if self.place(spot).and_then(Option::take).is_some() {
            return Vec::new();
        }
        let Line { share, class, .. } = &spot.line;
        let gone = self.lane(*class).remove(share, &spot.terms, (deadline, spot.number));
        if gone.is_some() && !spot.terms.tolls.is_empty() { self.granted(now) } else { Vec::new() }
    }

    /// Gives a place up, so that the next of its line may come. Returns whom that grants a turn.
    pub(super) fn leave(&mut self, spot: &Spot, now: Instant) -> Vec<T> {
        self.pacer.leave(&spot.terms.tolls, spot.line.class);
        let Some(places) = self.lines.get_mut(&spot.line) else { return Vec::new() };
        places.remove(&spot.number);
        let Some(mut first) = places.first_entry() else {
            self.lines.remove(&spot.line);
            return Vec::new();
        };
        let Some(Held { deadline, terms, waiter }) = first.get_mut().take() else {
            return Vec::new();
        };
        let rank = (deadline, *first.key());
        self.lane(spot.line.class).push(&spot.line.share, rank, terms, waiter);
        self.granted(now)
    }

    /// Ends a turn of an account, and gives back what it paid where nobody was called. Returns whom that grants one.
    pub(super) fn end(&mut self, account: &str, unused: Option<&Tolls>, now: Instant) -> Vec<T> {
        // While there was room, all who wait do so for their paces or a breaker: more room lets nobody go.
        let mut was_full = false;
        if let Some(calls) = self.calls.get_mut(account) {
            was_full = !calls.are_free();
            calls.out -= 1;
        }
        let opened = unused.filter(|tolls| !tolls.is_empty());
        if let Some(tolls) = opened {
            self.pacer.pay_back(tolls);
        }
        if was_full || opened.is_some() { self.granted(now) } else { Vec::new() }
    }

    /// Looks again, when a pace or a breaker may have opened. Returns whom that grants a turn.
    pub(super) fn look_again(&mut self, now: Instant) -> Vec<T> {
        self.alarm = self.alarm.filter(|at| *at > now);
        self.granted(now)
    }

    /// Has nobody have a turn until this was taken back as often.
    pub(super) fn shut(&mut self) {
        self.shut += 1;
    }

    /// Takes one [`Queue::shut`] back. Returns whom that grants a turn.
    pub(super) fn unshut(&mut self, now: Instant) -> Vec<T> {
        self.shut -= 1;
        self.look_again(now)
    }

    /// When somebody is to look again, where nobody was asked to do so as soon.
    pub(super) fn take_alarm(&mut self) -> Option<Instant> {
        std::mem::take(&mut self.unset).then_some(self.alarm)?
    }

    /// Has an account call: so often at once, as `gate` lets it.
    pub(super) fn open(
        &mut self,
        account: &Arc<str>,
        room: usize,
        gate: T::Gate,
        now: Instant,
    ) -> Vec<T> {
        let out = self.out(account);
        self.calls.insert(Arc::clone(account), Calls { room, out, gate });
        self.granted(now)
    }

    /// Sets how many turns of an account there are at once; those that are out already stay out. Returns whom that
    /// grants one.
    pub(super) fn set_room(&mut self, account: &str, room: usize, now: Instant) -> Vec<T> {
        if let Some(calls) = self.calls.get_mut(account) {
            calls.room = room;
        }
        self.granted(now)
    }

    /// What lets the calls of an account go.
    pub(super) fn gate(&self, account: &str) -> Option<&T::Gate> {
        self.calls.get(account).map(|calls| &calls.gate)
    }

    pub(super) fn out(&self, account: &str) -> usize {
        self.calls.get(account).map_or(0, |calls| calls.out)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.iter().map(HashSet::len).sum()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.calls.values().all(|calls| calls.out == 0)
            && self.waiting() == 0
            && self.lines.is_empty()
            && self.lanes.iter().all(Lane::is_empty)
            && self.pacer.places() == 0
    }

    /// Hands out the turns that are free: most urgent class first, of those that their paces and breakers let go.
    fn granted(&mut self, now: Instant) -> Vec<T> {
        let mut granted = Vec::new();
        if self.shut > 0 {
            return granted;
        }
        while self.calls.values().any(Calls::are_free) {
            let (mut look, mut passes) = (Look::at(now), Passes::default());
            let (pacer, calls) = (&self.pacer, &self.calls);
            let has_room = |share: &Share| calls.get(&share.account).is_some_and(Calls::are_free);
            let mut may_go = |share: &Share, terms: &Terms| {
                let gate = calls.get(&share.account).map(|calls| &calls.gate);
                // Its paces first: whoever has a pass is not to give it back.
                pacer.lets_go(&terms.tolls, &mut look)
                    && gate.is_some_and(|gate| passes.has(share, gate, terms, now))
            };
            let next = self.lanes.iter_mut().zip(&mut self.waiting).find_map(|(lane, waiting)| {
                let next = lane.pop(has_room, &mut may_go)?;
                waiting.remove(&next.number);
                Some(next)
            });
            let Passes { pass, opens, .. } = passes;
            let (Some(Next { share, terms, mut waiter, .. }), Some(pass)) = (next, pass) else {
                if let Some(opens) = look.opens.into_iter().chain(opens).min()
                    && self.alarm.is_none_or(|alarm| opens < alarm)
                {
                    (self.alarm, self.unset) = (Some(opens), true);
                }
                break;
            };
            self.pacer.pay(&terms.tolls, now);
            if let Some(calls) = self.calls.get_mut(&share.account) {
                calls.out += 1;
            }
            waiter.let_go(pass);
            granted.push(waiter);
        }
        granted
    }

    fn is_first(&self, spot: &Spot) -> bool {
        let first = self.lines.get(&spot.line).and_then(BTreeMap::first_key_value);
        first.is_some_and(|(number, _)| *number == spot.number)
    }

    fn place(&mut self, spot: &Spot) -> Option<&mut Option<Held<T>>> {
        self.lines.get_mut(&spot.line)?.get_mut(&spot.number)
    }

    fn lane(&mut self, class: Class) -> &mut Lane<T> {
        &mut self.lanes[class as usize]
    }
}

impl<G> Calls<G> {
    fn are_free(&self) -> bool {
        self.out < self.room
    }
}
