//! Circuit breakers: nothing is sent to a Plivo that does not take it.
//!
//! There is one for the account and one for each sender that had failures. What counts is what was not sent, what is in
//! doubt, and 5xx; a refusal is an answer, and 429 is a matter of pace. An open breaker is tried by a harmless GET,
//! never by somebody's message, since that would itself be in doubt; then by one message, then by rounds of twice as
//! many. Wrong credentials and a certificate that is not trusted stay until [`Breakers::reset`] (messaging.md 3.5).

mod books;
mod circuit;
mod heard;
mod standing;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use message::Sender;
use tokio::sync::watch;
use tokio::time::Instant;

use self::books::{Admitted, Books, Call};

pub(crate) use self::heard::Heard;
pub(crate) use self::standing::{Reason, Standing, State};
#[cfg(test)]
pub(super) use self::tests::settings;
use crate::config::BreakerSettings as Settings;

/// The breakers of one account; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Breakers {
    shared: Arc<Shared>,
}

/// Whether a message may go now.
#[derive(Debug)]
pub(crate) enum Admit {
    /// It may; the outcome is to be reported.
    Go(Pass),
    /// Nobody knows: ask Plivo by a GET that changes nothing, report what it said, and ask again to be admitted. Nobody
    /// else is told to meanwhile.
    Probe(Probe),
    /// It may not.
    Wait(Wait),
}

/// The right to one call. Dropped without a report it counts for nothing.
#[derive(Debug)]
#[must_use = "what the call came to is to be reported"]
pub(crate) struct Pass(Ticket);

/// The duty to probe. Dropped without a report it passes to another.
#[derive(Debug)]
#[must_use = "what the probe came to is to be reported"]
pub(crate) struct Probe(Ticket);

/// Why a message waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// When to ask again; none where that depends on others, or on a person.
    pub(crate) until: Option<Instant>,
    pub(crate) reason: Reason,
    /// It is the account that is held back, and so every sender.
    pub(crate) all: bool,
}

#[derive(Debug)]
struct Shared {
    /// The account's name, for the log.
    account: Arc<str>,
    books: Mutex<Books>,
    changed: watch::Sender<()>,
}

/// A call or probe, which gives itself back when it is dropped without a report.
#[derive(Debug)]
struct Ticket {
    breakers: Breakers,
    /// Taken out when it is reported.
    call: Option<Call>,
}

impl Breakers {
    /// Those of the account of this name, all closed.
    pub(crate) fn new(account: Arc<str>, settings: Settings) -> Self {
        let (changed, _) = watch::channel(());
        let books = Mutex::new(Books::new(settings));
        Self { shared: Arc::new(Shared { account, books, changed }) }
    }

    /// Whether a message from `sender` may go at `now`.
    pub(crate) fn admit(&self, sender: &Sender, now: Instant) -> Admit {
        let mut books = self.calmed(now);
        let ticket = |call| Ticket { breakers: self.clone(), call: Some(call) };
        match books.admit(sender, now) {
            Admitted::Go(call) => Admit::Go(Pass(ticket(call))),
            Admitted::Probe(call) => Admit::Probe(Probe(ticket(call))),
            Admitted::Wait(wait) => Admit::Wait(wait),
        }
    }

    /// The right to a call from `sender`, where nothing is held back: nobody can be waiting for it then.
    pub(crate) fn at_once(&self, sender: &Sender, now: Instant) -> Option<Pass> {
        let mut books = self.calmed(now);
        let call = books.is_well(sender).then(|| books.admit(sender, now));
        drop(books);
        match call {
            Some(Admitted::Go(call)) => {
                Some(Pass(Ticket { breakers: self.clone(), call: Some(call) }))
            }
            _ => None,
        }
    }

    /// What holds messages from `sender` back, or lets only few of them go at once.
    pub(crate) fn why(&self, sender: &Sender) -> Option<Reason> {
        self.calmed(Instant::now()).why(sender)
    }

    /// Changes whenever it is worth asking again.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.shared.changed.subscribe()
    }

    /// Whether these are the same, and not only of the same account.
    pub(crate) fn are(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The duty to probe the account's breaker, where it is time for that and nobody has it.
    pub(crate) fn probe(&self, now: Instant) -> Option<Probe> {
        let call = self.calmed(now).probe(now)?;
        Some(Probe(Ticket { breakers: self.clone(), call: Some(call) }))
    }

    /// How long no message from `sender` goes: zero where one may go, and where nobody knows.
    pub(crate) fn cool_down(&self, sender: &Sender, now: Instant) -> Duration {
        self.books().cool_down(sender, now)
    }

    /// Where the account's breaker stands.
    pub(crate) fn standing(&self) -> Standing {
        self.calmed(Instant::now()).account().standing()
    }

    /// The senders whose own breaker is not closed, in no order.
    pub(crate) fn senders(&self) -> Vec<(Sender, Standing)> {
        self.calmed(Instant::now()).troubled_senders()
    }

    /// A process before this one held messages back for this reason, and nobody knows better: Plivo is probed before the
    /// first of them goes.
    pub(crate) fn suspect(&self, reason: Reason, now: Instant) {
        let mut books = self.books();
        books.suspect(reason, now);
        let standing = books.account().standing();
        drop(books);
        standing.log(&self.shared.account);
        self.tell();
    }

    /// Closes all, latched ones too: what was wrong is said to be mended. What is still under way from before counts
    /// for nothing.
    pub(crate) fn reset(&self) {
        self.books().reset();
        self.tell();
    }

    /// Takes other settings into force from the next report on; the window changes with the next close. What is open
    /// stays so for its time.
    pub(crate) fn set(&self, settings: Settings) {
        self.books().set(settings);
    }

    /// The books as they are at `now`.
    fn calmed(&self, now: Instant) -> MutexGuard<'_, Books> {
        let mut books = self.books();
        let before = books.account().standing().state;
        books.calm(now);
        let after = books.account().standing();
        if after.state != before {
            after.log(&self.shared.account);
            self.tell();
        }
        books
    }

    /// Wakes those who wait, to ask again.
    fn tell(&self) {
        self.shared.changed.send_replace(());
    }

    /// Nothing under the lock can panic halfway through a change, so the lock outlives a panic.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.shared.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// Says what the call came to. `random` is evenly spread over `0.0..1.0`.
    pub(crate) fn report(self, heard: Heard, now: Instant, random: f64) {
        self.0.report(heard, now, random);
    }
}

impl Probe {
    /// Whether it is the account that is to be asked about, and no sender of it.
    pub(crate) fn is_of_account(&self) -> bool {
        self.0.call.as_ref().is_some_and(Call::is_of_account)
    }

    /// Says what Plivo answered. `random` is evenly spread over `0.0..1.0`.
    pub(crate) fn report(self, heard: Heard, now: Instant, random: f64) {
        self.0.report(heard, now, random);
    }
}

impl Ticket {
    fn report(mut self, heard: Heard, now: Instant, random: f64) {
        let Some(call) = self.call.take() else { return };
        let mut books = self.breakers.books();
        let before = books.account().standing();
        let changed = books.report(&call, heard, now, random);
        let after = books.account().standing();
        drop(books);
        if before.state != after.state {
            after.log(&self.breakers.shared.account);
        }
        if changed {
            self.breakers.tell();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.breakers.books().give_back(&call);
            self.breakers.tell();
        }
    }
}
