//! The exact window: a log of charges.

use std::collections::VecDeque;
use std::time::Duration;

use message::{Settlement, Timestamp, Window};

use super::usage::Refused;
use crate::expiring::earlier;

/// Charges in the order they were made, which is the order they leave in.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    used: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Timestamp,
    token: u64,
    cost: u32,
    /// Whether it may still be given back.
    open: bool,
}

impl Log {
    /// Drops what has left the window.
    pub(super) fn advance(&mut self, window: Window, now: Timestamp) {
        while let Some(gone) =
            self.entries.pop_front_if(|oldest| oldest.at.after(window.per) <= now)
        {
            self.used -= u64::from(gone.cost);
        }
    }

    pub(super) fn refusal(&self, window: Window, cost: u32, now: Timestamp) -> Option<Refused> {
        let (quota, cost) = (u64::from(window.quota), u64::from(cost));
        if cost > quota {
            return Some(Refused::Never);
        }
        let mut over = (self.used + cost).saturating_sub(quota);
        if cost == 0 || over == 0 {
            return None;
        }
        for entry in &self.entries {
            over = over.saturating_sub(u64::from(entry.cost));
            if over == 0 {
                return Some(Refused::Until(entry.at.after(window.per).since(now)));
            }
        }
        Some(Refused::Until(window.per))
    }

    pub(super) fn charge(&mut self, cost: u32, token: u64, now: Timestamp) {
        if cost > 0 {
            self.entries.push_back(Entry { at: now, token, cost, open: true });
            self.used += u64::from(cost);
        }
    }

    pub(super) fn settle(&mut self, token: u64, settlement: Settlement) {
        let Ok(at) = self.entries.binary_search_by_key(&token, |entry| entry.token) else { return };
        let entry = &mut self.entries[at];
        match settlement {
            Settlement::Keep => entry.open = false,
            Settlement::GiveBack if entry.open => {
                self.used -= u64::from(entry.cost);
                self.entries.remove(at);
            }
            Settlement::GiveBack => {}
        }
    }

    /// When the charge was made and its cost, while it is open.
    pub(super) fn entry(&self, token: u64) -> Option<(Timestamp, u32)> {
        let at = self.entries.binary_search_by_key(&token, |entry| entry.token).ok()?;
        let entry = &self.entries[at];
        entry.open.then_some((entry.at, entry.cost))
    }

    pub(super) fn restore(&mut self, at: Timestamp, token: u64, cost: u32, open: bool) {
        self.entries.push_back(Entry { at, token, cost, open });
        self.used += u64::from(cost);
    }

    pub(super) fn remaining(&self, quota: u32) -> u32 {
        u32::try_from(u64::from(quota).saturating_sub(self.used)).unwrap_or(u32::MAX)
    }

    /// Until the oldest entry leaves.
    pub(super) fn reset(&self, window: Window, now: Timestamp) -> Duration {
        self.entries.front().map_or(Duration::ZERO, |oldest| oldest.at.after(window.per).since(now))
    }

    /// When the newest entry leaves.
    pub(super) fn end(&self, window: Window) -> Timestamp {
        self.entries.back().map_or(Timestamp(0), |newest| newest.at.after(window.per))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn set_back(&mut self, by: Duration) {
        for entry in &mut self.entries {
            entry.at = earlier(entry.at, by);
        }
    }
}
