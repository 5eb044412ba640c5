//! An account at Plivo as messages see it: what it is called with, how it is, and how much it takes.
//!
//! Each has breakers, a window, a budget of retries and a load of its own, so that what is wrong with one holds up no
//! message of another.

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use arc_swap::ArcSwap;
use message::Sender;
use plivo_client::{Outcome, RefusedKind};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::breaker::{Breakers, Heard, Probe, Standing, State};
use super::budget::RetryBudget;
use super::load::Load;
use super::turns::Breaker;
use super::window::Window;
use crate::in_force::{Account, Accounts};

/// One account.
pub(crate) struct Upstream {
    account: ArcSwap<Account>,
    pub(super) window: Window,
    pub(super) breakers: Breakers,
    pub(super) budget: RetryBudget,
    pub(super) load: Load,
}

/// The accounts in force.
#[derive(Clone)]
pub(super) struct Upstreams {
    /// That of whoever names none.
    pub(super) own: Arc<Upstream>,
    further: BTreeMap<Arc<str>, Arc<Upstream>>,
}

impl Upstreams {
    pub(super) fn new(accounts: Accounts) -> Self {
        let Accounts { own, further } = accounts;
        let further =
            further.into_iter().map(|each| (Arc::clone(&each.name), Arc::new(Upstream::new(each))));
        Self { own: Arc::new(Upstream::new(own)), further: further.collect() }
    }

    /// Those of the next generation: what is known of an account stays with its name. Messages that wait for one that is
    /// gone look again.
    pub(super) fn with(&self, accounts: Accounts) -> Self {
        let Accounts { own, further } = accounts;
        self.own.use_account(own);
        let next = further.into_iter().map(|account| {
            let name = Arc::clone(&account.name);
            let upstream = match self.further.get(&name) {
                Some(known) => {
                    known.use_account(account);
                    Arc::clone(known)
                }
                None => Arc::new(Upstream::new(account)),
            };
            (name, upstream)
        });
        Self { own: Arc::clone(&self.own), further: next.collect() }
    }

    /// Has messages look again that wait for what is well with an account of these, and is not there any more.
    pub(super) fn left_by(&self, next: &Self) {
        let gone = self.further.iter().filter(|(name, _)| !next.further.contains_key(*name));
        gone.for_each(|(_, upstream)| upstream.breakers.reset());
    }

    /// The one of this name; none where there is none.
    pub(super) fn named(&self, name: &str) -> Option<Arc<Upstream>> {
        if *self.own.account().name == *name {
            return Some(Arc::clone(&self.own));
        }
        self.further.get(name).map(Arc::clone)
    }

    /// The one of this mark, whatever its name is by now.
    pub(super) fn marked(&self, mark: &str) -> Option<Arc<Upstream>> {
        self.all().find(|upstream| *upstream.account().mark == *mark).map(Arc::clone)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        iter::once(&self.own).chain(self.further.values())
    }
}

impl Upstream {
    fn new(account: Account) -> Self {
        Self {
            window: Window::new(account.max_calls),
            breakers: Breakers::new(Arc::clone(&account.name), account.breaker),
            budget: RetryBudget::new(account.retry_percent),
            load: Load::default(),
            account: ArcSwap::from_pointee(account),
        }
    }

    /// Takes other credentials, or other settings. New credentials let the messages go on that waited for them; calls
    /// under way end with the old ones.
    fn use_account(&self, account: Account) {
        self.breakers.set(account.breaker);
        self.budget.set_percent(account.retry_percent);
        let renewed = *self.account().credentials != *account.credentials;
        self.account.store(Arc::new(account));
        // Whatever was wrong is said to be mended: one call finds out. Calls that are out with the old credentials say
        // nothing of the new ones.
        if renewed {
            self.breakers.reset();
        } else {
            self.unlatch();
        }
    }

    /// Lets one call find out whether what was wrong with the credentials is mended.
    pub(super) fn unlatch(&self) {
        if self.breakers.standing().state == State::Latched {
            self.breakers.reset();
        }
    }

    /// What messages are sent with now.
    pub(crate) fn account(&self) -> Arc<Account> {
        self.account.load_full()
    }

    /// Takes in what Plivo made of a call while `out` were out: how much it takes. The room for calls, where it changes.
    pub(super) fn hear(&self, outcome: &Outcome, out: usize, now: Instant) -> Option<usize> {
        let refused =
            if let Outcome::Rejected(refused) = outcome { Some(refused.kind) } else { None };
        match (outcome, refused) {
            // Plivo has not been heard.
            (Outcome::NotSent(_), _) => None,
            (_, Some(RefusedKind::RateLimited { .. })) => {
                self.budget.heard(true);
                self.window.too_many(out, now)
            }
            (Outcome::InDoubt(_), _) | (_, Some(RefusedKind::Shed { .. })) => {
                self.budget.heard(true);
                None
            }
            (Outcome::Accepted(_) | Outcome::Rejected(_), _) => {
                self.budget.heard(false);
                self.window.taken(now)
            }
        }
    }

    /// The senders that Plivo is held back for, and where their breakers stand.
    pub(crate) fn troubled_senders(&self) -> Vec<(Sender, Standing)> {
        self.breakers.senders()
    }

    /// Where the breaker of the account stands.
    pub(crate) fn standing(&self) -> Standing {
        self.breakers.standing()
    }

    /// Whether Plivo may be asked what it knows: it answers, as far as anybody knows. Where it did not, and it is time
    /// to see whether it does again, this sees.
    pub(crate) async fn may_ask(&self) -> bool {
        if let Some(probe) = self.breakers.probe(Instant::now()) {
            self.probe(probe).await;
        }
        // What holds back sends after an outage does not hold back what sends nothing.
        matches!(self.standing().state, State::Closed | State::Ramping)
    }

    /// What lets its calls go; Plivo is asked whether it is well in a task of its own.
    pub(super) fn gate(self: &Arc<Self>) -> Breaker {
        let upstream = Arc::clone(self);
        Breaker::new(self.breakers.clone(), move |probe| {
            // Outside the runtime nobody waits.
            if let Ok(runtime) = Handle::try_current() {
                let upstream = Arc::clone(&upstream);
                runtime.spawn(async move { upstream.probe(probe).await });
            }
        })
    }

    async fn probe(&self, probe: Probe) {
        let account = self.account();
        let probed = account.client.probe(&account.credentials, account.call_timeout).await;
        probe.report(Heard::of_probe(&probed), Instant::now(), fastrand::f64());
    }

    /// Calls that sends have made in the time that [`super::ALLOWED`] is about.
    pub(crate) fn recent_calls(&self) -> u32 {
        self.load.lately(Instant::now())
    }
}
