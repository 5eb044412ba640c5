//! The account's breaker and those of its senders, without locks and guards.

use std::collections::HashMap;
use std::time::Duration;

use message::Sender;
use tokio::time::Instant;

use super::circuit::{Circuit, Verdict};
use super::{Heard, Reason, Settings, Standing, Wait};

/// Most senders with a breaker of their own; further ones have the account's only.
pub(super) const MOST_SENDERS: usize = 1_024;

/// All breakers of an account.
#[derive(Debug)]
pub(super) struct Books {
    settings: Settings,
    /// Counts the resets, so that a call with old credentials does not latch the new ones.
    epoch: u64,
    account: Circuit,
    /// Those that had failures, while the account's is closed: what the account's trouble explains is held against no
    /// sender.
    senders: HashMap<Sender, Circuit>,
}

/// What was admitted, as of which phase of which breaker.
#[derive(Debug)]
pub(super) struct Call {
    epoch: u64,
    /// None for the probe of a sender's breaker.
    account: Option<u64>,
    /// None for the probe of the account's.
    sender: Option<(Sender, u64)>,
}

/// Whether a message may go.
#[derive(Debug)]
pub(super) enum Admitted {
    Go(Call),
    Probe(Call),
    Wait(Wait),
}

impl Call {
    pub(super) fn is_of_account(&self) -> bool {
        self.account.is_some()
    }
}

impl Books {
    pub(super) fn new(settings: Settings) -> Self {
        let account = Circuit::new(&settings);
        Self { settings, epoch: 0, account, senders: HashMap::new() }
    }

    pub(super) fn account(&self) -> &Circuit {
        &self.account
    }

    /// Closes those that have ramped for long enough.
    pub(super) fn calm(&mut self, now: Instant) {
        self.account.calm(now, &self.settings);
        self.senders.values_mut().for_each(|own| own.calm(now, &self.settings));
    }

    pub(super) fn troubled_senders(&self) -> Vec<(Sender, Standing)> {
        let troubled = self.senders.iter().filter(|(_, own)| !own.is_closed());
        troubled.map(|(sender, own)| (sender.clone(), own.standing())).collect()
    }

    /// How long nothing goes for `sender`, as far as that is known.
    pub(super) fn cool_down(&self, sender: &Sender, now: Instant) -> Duration {
        let until = |circuit: &Circuit| match circuit.verdict(now) {
            Verdict::Wait { until, .. } => until,
            Verdict::Go | Verdict::Probe => None,
        };
        let until = until(&self.account).max(self.senders.get(sender).and_then(until));
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Whether neither the account nor `sender` is held back in any way.
    pub(super) fn is_well(&self, sender: &Sender) -> bool {
        self.account.is_closed() && self.senders.get(sender).is_none_or(Circuit::is_closed)
    }

    /// What holds `sender` back: the account's trouble, or its own.
    pub(super) fn why(&self, sender: &Sender) -> Option<Reason> {
        let own = || self.senders.get(sender)?.standing().reason;
        self.account.standing().reason.or_else(own)
    }

    #[cfg(test)]
    pub(super) fn tracked_senders(&self) -> usize {
        self.senders.len()
    }

    pub(super) fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    pub(super) fn suspect(&mut self, reason: Reason, now: Instant) {
        self.account.suspect(reason, now);
    }

    pub(super) fn reset(&mut self) {
        self.epoch += 1;
        self.account = Circuit::new(&self.settings);
        self.senders.clear();
    }

    /// A probe of the account's breaker, where it is time for one.
    pub(super) fn probe(&mut self, now: Instant) -> Option<Call> {
        if self.account.verdict(now) != Verdict::Probe {
            return None;
        }
        self.account.probe();
        Some(Call { epoch: self.epoch, account: Some(self.account.phase()), sender: None })
    }

    /// The account's breaker is asked first, then the sender's.
    pub(super) fn admit(&mut self, sender: &Sender, now: Instant) -> Admitted {
        let epoch = self.epoch;
        if let Some(probe) = self.probe(now) {
            return Admitted::Probe(probe);
        }
        if let Verdict::Wait { until, reason } = self.account.verdict(now) {
            return Admitted::Wait(Wait { until, reason, all: true });
        }
        let mut phase = 0;
        if let Some(own) = self.senders.get_mut(sender) {
            match own.verdict(now) {
                Verdict::Go => own.go(),
                Verdict::Wait { until, reason } => {
                    return Admitted::Wait(Wait { until, reason, all: false });
                }
                Verdict::Probe => {
                    own.probe();
                    let sender = Some((sender.clone(), own.phase()));
                    return Admitted::Probe(Call { epoch, account: None, sender });
                }
            }
            phase = own.phase();
        }
        self.account.go();
        let account = Some(self.account.phase());
        Admitted::Go(Call { epoch, account, sender: Some((sender.clone(), phase)) })
    }

    /// Takes what a call came to. Whether those who wait should ask again.
    pub(super) fn report(&mut self, call: &Call, heard: Heard, now: Instant, random: f64) -> bool {
        if call.epoch != self.epoch {
            return false;
        }
        let settings = self.settings;
        let (was, was_closed) = (self.account.verdict(now), self.account.is_closed());
        let current = call.account.is_none_or(|phase| phase == self.account.phase());
        // A sender's probe speaks of the account only where it says something certain.
        let phase = call.account.unwrap_or(self.account.phase());
        if call.account.is_some() || matches!(heard, Heard::Credentials | Heard::Untrusted) {
            self.account.report(phase, heard, now, random, &settings);
        }
        if was_closed && !self.account.is_closed() {
            self.senders.clear();
        }
        let mut changed = self.account.verdict(now) != was;
        if let Some((sender, phase)) = &call.sender
            && current
            && self.account.is_closed()
            && let Some(own) = self.own(sender, heard, now)
        {
            let was = own.verdict(now);
            match heard {
                // Nothing of the sender's making; but its probe has told nothing then.
                Heard::Unreached if call.account.is_some() => own.give_back(*phase),
                Heard::NoCredit | Heard::Credentials | Heard::Untrusted => own.give_back(*phase),
                _ => own.report(*phase, heard, now, random, &settings),
            }
            changed |= own.verdict(now) != was;
        }
        changed
    }

    /// A call ended without a report.
    pub(super) fn give_back(&mut self, call: &Call) {
        if call.epoch != self.epoch {
            return;
        }
        if let Some(phase) = call.account {
            self.account.give_back(phase);
        }
        if let Some((sender, phase)) = &call.sender
            && let Some(own) = self.senders.get_mut(sender)
        {
            own.give_back(*phase);
        }
    }

    /// The sender's breaker: from its first failure on, and while there is room for it.
    fn own(&mut self, sender: &Sender, heard: Heard, now: Instant) -> Option<&mut Circuit> {
        if heard == Heard::Failed && !self.senders.contains_key(sender) {
            if self.senders.len() >= MOST_SENDERS {
                self.senders.retain(|_, own| !own.is_idle(now));
            }
            if self.senders.len() < MOST_SENDERS {
                self.senders.insert(sender.clone(), Circuit::new(&self.settings));
            }
        }
        self.senders.get_mut(sender)
    }
}
