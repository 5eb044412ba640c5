//! What waits for its call, by urgency, and since when: for its turn, for Plivo, for its next try.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::turns::Class;

/// Every lane. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes(Arc<Mutex<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    /// By class: since when, and a number that tells those of one instant apart.
    waiting: [BTreeSet<(Instant, u64)>; Class::ALL.len()],
    last: u64,
}

/// What waits in one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) class: Class,
    pub(crate) messages: u64,
    /// How long the first of them has waited; nothing where none does.
    pub(crate) oldest: Duration,
}

/// One message's wait, over all its tries.
#[derive(Debug)]
pub(super) struct Wait {
    lanes: Lanes,
    class: Class,
    /// Since when, and its number.
    since: Option<(Instant, u64)>,
}

impl Lanes {
    pub(super) fn wait(&self, class: Class) -> Wait {
        Wait { lanes: self.clone(), class, since: None }
    }

    pub(super) fn all(&self) -> Vec<Lane> {
        let (inside, now) = (self.inside(), Instant::now());
        let lane = |class: Class| {
            let waiting = &inside.waiting[class as usize];
            let first = waiting.first().map(|(since, _)| now.saturating_duration_since(*since));
            Lane { class, messages: waiting.len() as u64, oldest: first.unwrap_or_default() }
        };
        Class::ALL.into_iter().map(lane).collect()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Nothing under this lock can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wait {
    /// It waits for a call; since it first did so.
    pub(super) fn begins(&mut self) {
        let mut inside = self.lanes.inside();
        let since = self.since.unwrap_or_else(|| {
            inside.last += 1;
            (Instant::now(), inside.last)
        });
        inside.waiting[self.class as usize].insert(since);
        self.since = Some(since);
    }

    /// Its call is out.
    pub(super) fn pauses(&self) {
        if let Some(since) = &self.since {
            self.lanes.inside().waiting[self.class as usize].remove(since);
        }
    }

    /// It is not due any more; a wait that comes after is another.
    pub(super) fn ends(&mut self) {
        self.pauses();
        self.since = None;
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.pauses();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lanes: &Lanes) -> (u64, u64) {
        let all = lanes.all();
        let otp = all.iter().find(|lane| lane.class == Class::Otp).expect("a lane of codes");
        (otp.messages, otp.oldest.as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_goes_on_over_its_tries_and_begins_anew_once_it_was_put_off() {
        let lanes = Lanes::default();
        let second = Duration::from_secs(1);
        let (mut first, mut later) = (lanes.wait(Class::Otp), lanes.wait(Class::Otp));
        first.begins();
        tokio::time::advance(second).await;
        later.begins();
        assert_eq!(told(&lanes), (2, 1));
        first.pauses();
        tokio::time::advance(second).await;
        assert_eq!(told(&lanes), (1, 1), "the call is out");
        first.begins();
        first.begins();
        assert_eq!(told(&lanes), (2, 2), "and was turned away");
        first.ends();
        first.begins();
        assert_eq!(told(&lanes), (2, 1));
        drop((first, later));
        assert_eq!(told(&lanes), (0, 0));
    }
}
