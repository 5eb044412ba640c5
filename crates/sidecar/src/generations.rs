//! The generation in force, and the policies of those before it.
//!
//! A generation is brought into force here and nowhere else, one at a time: by a reload, a rollback or the promotion of a
//! candidate. What can be returned to are policies: apps, secrets and Plivo's accounts stay as they are, since
//! what was withdrawn from them must not come back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use policy_host::{Generation, NotPromoted, Policy, PolicyChain};

use crate::delivery::Delivery;
use crate::history::{self, History, How};
use crate::in_force::{InForce, Prepared, Rules};
use crate::promotions::{Filed, Promotion};

/// Most sets of policies that are kept, compiled, besides those in force.
pub(crate) const HISTORY: usize = 5;

/// Puts generations into force.
pub(crate) struct Generations {
    in_force: Arc<ArcSwap<InForce>>,
    delivery: Arc<Delivery>,
    past: Mutex<Past>,
    history: History,
}

/// Policies that are no longer in force.
#[derive(Debug, Default)]
struct Past {
    /// The latest last.
    kept: VecDeque<Kept>,
    /// Too old to be returned to, but perhaps still in a request's hands.
    leaving: Vec<Arc<PolicyChain>>,
    /// What the files said at the last reload that a rollback did not stand against.
    filed: Option<Filed>,
    rollback: Option<Rollback>,
}

/// Policies that can be returned to.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) rules: Rules,
    /// A rollback has left them: the next one goes on to those before.
    pub(crate) rolled_back: bool,
}

/// A rollback that stands: the policies in force are not those of the files, and as long as the files describe the same,
/// a reload leaves them out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rollback {
    pub(crate) at: jiff::Timestamp,
    /// The generation that was left.
    pub(crate) from: Generation,
    /// The one whose policies are in force again.
    pub(crate) to: Generation,
}

/// What a rollback has put into force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RolledBack {
    pub(crate) generation: Generation,
    pub(crate) from: Generation,
    pub(crate) to: Generation,
    /// Whether the files still describe other policies.
    pub(crate) stands: bool,
}

/// There is nothing to return to, or not this; those that there are.
#[derive(Debug)]
pub(crate) struct NotKept(pub(crate) Vec<Generation>);

/// Another generation came into force meanwhile.
#[derive(Debug)]
pub(crate) struct Outdated;

impl Generations {
    /// With what `in_force` holds as the first.
    pub(crate) fn new(in_force: Arc<ArcSwap<InForce>>, delivery: Arc<Delivery>) -> Self {
        let first = in_force.load_full();
        let history = History::default();
        history.note(How::Started, first.chain.generation(), &[]);
        let past = Mutex::new(Past { filed: Some(first.filed), ..Past::default() });
        Self { in_force, delivery, past, history }
    }

    /// What came into force, and what was refused.
    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// What is in force.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// Has Plivo asked once more where it refused an account's credentials: an operator says that it is mended there.
    pub(crate) fn unlatch(&self) {
        self.delivery.unlatch();
    }

    /// Brings what was read from the files into force, which was built while `basis` was. While a rollback stands and the
    /// files describe the same policies as before, only the rest of it: a rotated secret must not undo a rollback. `before`
    /// is called once it is sure to come into force, and before anybody can see that it did.
    ///
    /// # Errors
    ///
    /// Another generation is in force by now; build it again, of that one.
    pub(crate) fn reload(
        &self,
        basis: Generation,
        prepared: Prepared,
        rules: Rules,
        before: impl FnOnce(),
    ) -> Result<Generation, Outdated> {
        let mut past = self.past();
        let last = self.in_force();
        if last.chain.generation() != basis {
            return Err(Outdated);
        }
        before();
        let rules = if past.rollback.is_some() && past.is_filed(&rules) {
            last.rules().renewed(rules.chain.generation())
        } else {
            past.rollback = None;
            past.filed = Some(rules.filed);
            rules.chain.keep_ends_of_trials(&last.chain);
            for Kept { rules: left, .. } in past.kept.iter().filter(|kept| kept.rolled_back) {
                let promoted = |name: &str| left.promotions.iter().any(|own| own.policy == name);
                rules.chain.keep_ends_of_trials(&left.chain);
                rules.chain.keep_rolled_back(&left.chain, promoted);
            }
            if !rules.chain.decides_like(&last.chain) {
                past.keep(last.rules(), false);
            }
            rules
        };
        let next = prepared.with(rules);
        let news = history::differences(&last.chain, &next.chain);
        Ok(self.put(&mut past, &last, next, How::Reloaded, &news))
    }

    /// Returns to the policies of the generation `to`; to those before the ones in force where none is named.
    ///
    /// # Errors
    ///
    /// They are not kept.
    pub(crate) fn roll_back(&self, to: Option<u64>) -> Result<RolledBack, NotKept> {
        let mut past = self.past();
        let nth = match to {
            None => past.kept.iter().rposition(|kept| !kept.rolled_back),
            Some(to) => past.kept.iter().position(|kept| kept.rules.chain.generation().0 == to),
        };
        let Some(target) = nth.and_then(|nth| past.kept.remove(nth)) else {
            return Err(NotKept(
                past.kept.iter().map(|kept| kept.rules.chain.generation()).collect(),
            ));
        };
        let last = self.in_force();
        let (from, to) = (last.chain.generation(), target.rules.chain.generation());
        let rules = target.rules.renewed(from.next());
        let rollback = Rollback { at: jiff::Timestamp::now(), from, to };
        past.rollback = (!past.is_filed(&rules)).then_some(rollback);
        // Whoever takes a rollback back may take that back too.
        past.keep(last.rules(), !target.rolled_back);
        let stands = past.rollback.is_some();
        let news = [format!("from generation {from} to the policies of generation {to}")];
        let generation = self.put(&mut past, &last, last.under(rules), How::RolledBack, &news);
        Ok(RolledBack { generation, from, to, stands })
    }

    /// Brings the candidate of the policy called `name` into force, in its place.
    ///
    /// # Errors
    ///
    /// There is none, or it was dropped.
    pub(crate) fn promote(&self, name: &str) -> Result<Generation, NotPromoted> {
        self.promote_now(&mut self.past(), name)
    }

    /// Brings every candidate into force that has passed its trial.
    pub(crate) fn promote_passed(&self) {
        let mut past = self.past();
        let in_force = self.in_force();
        for policy in in_force.chain.policies().iter().filter(|policy| policy.is_passed()) {
            let name = policy.name();
            if let Err(why) = self.promote_now(&mut past, name.as_str()) {
                tracing::warn!(policy.name = %name, error = %why, "a candidate passed and was not promoted");
            }
        }
    }

    fn promote_now(&self, past: &mut Past, name: &str) -> Result<Generation, NotPromoted> {
        let last = self.in_force();
        let own = |policy: &&Arc<Policy>| policy.name().as_str() == name;
        let policy = last.chain.policies().iter().find(own).ok_or(NotPromoted::NoSuchPolicy)?;
        let trial = policy.trial().ok_or(NotPromoted::NoCandidate)?;
        let mut rules = last.rules();
        rules.chain = Arc::new(last.chain.promoted(name)?);
        if let Some(entry) = rules.entries.iter_mut().find(|entry| entry.name == name) {
            rules.promotions.retain(|promotion| promotion.policy != name);
            rules.promotions.push(Promotion::of(entry, policy, &trial));
            entry.promote();
        }
        past.keep(last.rules(), false);
        let news = history::differences(&last.chain, &rules.chain);
        let generation = self.put(past, &last, last.under(rules), How::Promoted, &news);
        tracing::warn!(
            policy.name = name,
            generation = generation.0,
            from = %policy.digest(),
            to = %trial.digest,
            "a candidate came into force; write it as `module` in the configuration, or a restart takes it back"
        );
        Ok(generation)
    }

    /// The rollback that stands, and the policies that can be returned to, the latest last.
    pub(crate) fn past_now(&self) -> (Option<Rollback>, Vec<Kept>) {
        let past = self.past();
        (past.rollback, past.kept.iter().cloned().collect())
    }

    /// Requests in flight end on the generation that they took.
    fn put(
        &self,
        past: &mut Past,
        last: &InForce,
        next: InForce,
        how: How,
        news: &[String],
    ) -> Generation {
        let chain = Arc::clone(&next.chain);
        self.delivery.use_generation(&next);
        self.in_force.store(Arc::new(next));
        chain.take_place_of(&last.chain);
        past.prune();
        self.history.note(how, chain.generation(), news);
        chain.generation()
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        // Nothing under this lock can panic half way.
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Past {
    /// Whether the files describe these policies, whatever was promoted among them.
    fn is_filed(&self, rules: &Rules) -> bool {
        self.filed == Some(rules.filed)
    }

    fn keep(&mut self, rules: Rules, rolled_back: bool) {
        self.kept.push_back(Kept { rules, rolled_back });
    }

    /// Lets go of what is too old, and drops what is in nobody's hands, on a thread where dropping may take its time.
    fn prune(&mut self) {
        while self.kept.len() > HISTORY {
            self.leaving.extend(self.kept.pop_front().map(|kept| kept.rules.chain));
        }
        let free = self.leaving.extract_if(.., |chain| Arc::strong_count(chain) == 1);
        let free: Vec<_> = free.collect();
        drop(tokio::task::spawn_blocking(move || drop(free)));
    }
}
