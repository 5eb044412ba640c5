//! What a run came to: what the sidecar says, held against what Plivo has.

use std::collections::{HashMap, HashSet};

use plivo_sim::Queued;

use crate::app::{Reply, Standing};
use crate::listener::About;
use crate::plan::Plan;

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// The process died where it should.
    pub(crate) reached: bool,
    /// Messages at Plivo.
    pub(crate) sent: usize,
    /// Requests that were answered again.
    pub(crate) replayed: usize,
    /// Messages that were given up, whose apps asked again under their keys.
    pub(crate) given_up: usize,
    /// Messages of which it is said that nobody knows.
    pub(crate) unknown: usize,
    /// Messages that are at Plivo more than once, where one of unknown outcome was to be sent again.
    pub(crate) resent: usize,
    /// The same, where none was.
    pub(crate) duplicates: Vec<String>,
    /// Messages that are accepted, not at Plivo, and not said to be unknown; or at Plivo, and said not to be.
    pub(crate) losses: Vec<String>,
    /// Whatever else is not as it should be.
    pub(crate) faults: Vec<String>,
}

impl Played {
    /// Counts the orders of `plan`, by what the app was told of each.
    pub(crate) fn count(
        &mut self,
        plan: &Plan,
        told: &[Option<Reply>],
        standings: &HashMap<String, Standing>,
        at_plivo: &[Queued],
    ) {
        self.sent = at_plivo.len();
        for (order, told) in plan.orders.iter().zip(told) {
            let copies = at_plivo.iter().filter(|sent| sent.text == order.text).count();
            if copies > 1 && plan.resends {
                self.resent += 1;
            } else if copies > 1 {
                self.duplicates.push(format!("`{}` is at Plivo {copies} times", order.key));
            }
            let standing = told.as_ref().and_then(Reply::id).and_then(|id| standings.get(id));
            match standing {
                None => self.losses.push(format!("`{}` has no record: {told:?}", order.key)),
                Some(standing) if standing.is_unknown() => self.unknown += 1,
                Some(standing) if standing.is_sent() && copies > 0 => {}
                Some(standing) if standing.is_given_up() => self
                    .faults
                    .push(format!("the key of `{}` still stands for what was given up", order.key)),
                Some(standing) => self
                    .losses
                    .push(format!("`{}` is at Plivo {copies} times, and {standing:?}", order.key)),
            }
        }
        let given_up = standings.values().filter(|standing| standing.is_given_up()).count();
        if standings.len() - given_up != plan.orders.len()
            || (given_up > 0 && plan.gives_up.is_none())
        {
            let (records, orders) = (standings.len(), plan.orders.len());
            self.faults.push(format!("{records} records of {orders} orders, {given_up} given up"));
        }
        self.given_up = given_up;
        let uuids = || standings.values().filter_map(|standing| standing.uuid.as_deref());
        if uuids().collect::<HashSet<_>>().len() != uuids().count() {
            self.faults.push("two records have one message at Plivo".to_owned());
        }
        // Where the list can be had and no two messages look alike there, everything can be known.
        let open = self.unknown + self.resent;
        if open > 0 && !plan.no_list && !plan.one_number {
            self.faults.push(format!("{open} unknown that Plivo's list would tell"));
        }
    }

    /// Looks at the ids under which the app was told: each call may leave a message in doubt, and every other state it
    /// comes to once, however often that is told.
    pub(crate) fn count_events(&mut self, told: &HashMap<About, HashSet<String>>) {
        let once = told.iter().filter(|((_, state), _)| state != "in_doubt");
        for ((id, state), ids) in once.filter(|(_, ids)| ids.len() > 1) {
            self.faults.push(format!("{id} came to `{state}` under {} ids", ids.len()));
        }
    }

    /// All that is wrong, in words.
    pub(crate) fn wrong(&self) -> Vec<&str> {
        let all = self.duplicates.iter().chain(&self.losses).chain(&self.faults);
        all.map(String::as_str).collect()
    }
}
