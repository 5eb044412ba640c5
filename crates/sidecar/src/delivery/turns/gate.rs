//! What one needs besides its turn: a breaker that lets it go.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use message::Sender;
use tokio::time::Instant;

use super::super::breaker::{Admit, Breakers, Pass, Probe, Wait};
use super::pacer::Tolls;
use super::queue::Share;

/// Whose breaker a message goes by, and what it pays at its paces.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) sender: Arc<Sender>,
    pub(super) tolls: Tolls,
}

/// What lets the calls of one account go.
pub(super) trait Gate {
    /// The right to one call.
    type Pass;

    /// Lets a message from `sender` go that is next, or says what holds it back.
    fn admit(&self, sender: &Sender, now: Instant) -> Result<Self::Pass, Shut>;

    /// Lets one go that has waited for nobody, where nothing holds anybody back.
    fn at_once(&self, sender: &Sender, now: Instant) -> Option<Self::Pass>;
}

/// One who waits in the queue, and how it is given its pass.
pub(super) trait Queued {
    type Gate: Gate;

    fn let_go(&mut self, pass: <Self::Gate as Gate>::Pass);
}

/// What holds a message back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shut {
    /// When to ask again, where that is known.
    pub(super) until: Option<Instant>,
    /// Nobody of the account may go.
    pub(super) all: bool,
}

/// What breakers say in one look at who may go.
pub(super) struct Passes<G: Gate> {
    /// Of the one that goes.
    pub(super) pass: Option<G::Pass>,
    /// Whoever is held back, so that nobody goes before it whom a breaker opened for a moment later: an account, or one
    /// sender of it.
    shut: HashSet<(Arc<str>, Option<Arc<Sender>>)>,
    /// When one of those that are shut is to be asked again.
    pub(super) opens: Option<Instant>,
}

/// The breakers of an account, and how Plivo is asked whether it is well.
#[derive(Clone)]
pub(crate) struct Breaker {
    breakers: Breakers,
    probe: Arc<dyn Fn(Probe) + Send + Sync>,
}

impl Breaker {
    /// `probe` is told when it is time to; it must not wait.
    pub(crate) fn new(breakers: Breakers, probe: impl Fn(Probe) + Send + Sync + 'static) -> Self {
        Self { breakers, probe: Arc::new(probe) }
    }

    pub(super) fn breakers(&self) -> &Breakers {
        &self.breakers
    }
}

impl<G: Gate> Passes<G> {
    /// Whether a message with these terms has its pass, and goes.
    pub(super) fn has(&mut self, share: &Share, gate: &G, terms: &Terms, now: Instant) -> bool {
        let own = || (Arc::clone(&share.account), Some(Arc::clone(&terms.sender)));
        let all = || (Arc::clone(&share.account), None);
        if !self.shut.is_empty() && (self.shut.contains(&all()) || self.shut.contains(&own())) {
            return false;
        }
        match gate.admit(&terms.sender, now) {
            Ok(pass) => self.pass = Some(pass),
            Err(shut) => {
                self.opens = self.opens.into_iter().chain(shut.until).min();
                self.shut.insert(if shut.all { all() } else { own() });
            }
        }
        self.pass.is_some()
    }
}

impl<G: Gate> Default for Passes<G> {
    fn default() -> Self {
        Self { pass: None, shut: HashSet::new(), opens: None }
    }
}

impl Gate for Breaker {
    type Pass = Pass;

    fn admit(&self, sender: &Sender, now: Instant) -> Result<Pass, Shut> {
        match self.breakers.admit(sender, now) {
            Admit::Go(pass) => Ok(pass),
            Admit::Wait(Wait { until, all, .. }) => Err(Shut { until, all }),
            // Whoever is first now keeps its place meanwhile.
            Admit::Probe(probe) => {
                let all = probe.is_of_account();
                (self.probe)(probe);
                Err(Shut { until: None, all })
            }
        }
    }

    fn at_once(&self, sender: &Sender, now: Instant) -> Option<Pass> {
        self.breakers.at_once(sender, now)
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.breakers.fmt(f)
    }
}
