//! What the server is still to be told of holds: that their message is accepted, and how it ended.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use message::{Hold, Settlement};
use tokio::time::{Instant, sleep};

use super::{RESERVATION, RedisLedger};

/// Most holds that wait, of each kind; of more the server never hears, and they end by themselves.
const MOST: usize = 100_000;
/// Most told in one call.
const BATCH: usize = 256;
/// How long after its acceptance a message that is not settled by then is told of. Most are settled so soon that their
/// reservations need no trip of their own.
const SOON: Duration = Duration::from_secs(1);
/// After a call that failed while the server is said to be up.
const PAUSE: Duration = Duration::from_millis(200);

/// What the server is to be told of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Its message is accepted: a reservation lasts for its whole time.
    Owned,
    Settled(Settlement),
}

/// Words that wait for the server. They are told in the background, in their order, once it can be reached.
#[derive(Clone, Default)]
pub(super) struct Untold(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    words: VecDeque<(Hold, Word)>,
    /// Whether somebody tells them.
    is_told: bool,
    /// Reservations of accepted messages, by token, with the instant of their acceptance.
    accepted: HashMap<u64, (Hold, Instant)>,
    /// Whether somebody looks after these.
    is_watched: bool,
}

impl Untold {
    /// Has the server told by and by; `false` where too many wait already.
    pub(super) fn tell(&self, ledger: &RedisLedger, holds: Vec<Hold>, word: Word) -> bool {
        let mut waiting = self.waiting();
        if waiting.words.len() + holds.len() > MOST {
            return false;
        }
        waiting.words.extend(holds.into_iter().map(|hold| (hold, word)));
        if !waiting.is_told && !waiting.words.is_empty() {
            waiting.is_told = true;
            ledger.connection.tell(tell_all(self.clone(), ledger.clone()));
        }
        true
    }

    /// Has the server told of accepted messages, unless they are settled before their reservations need it.
    pub(super) fn accept(&self, ledger: &RedisLedger, holds: &[Hold]) {
        let reservations = holds
            .iter()
            .filter(|hold| RedisLedger::made(hold) && hold.key.starts_with(RESERVATION));
        let mut waiting = self.waiting();
        let (now, room) = (Instant::now(), MOST.saturating_sub(waiting.accepted.len()));
        let accepted = reservations.take(room).map(|hold| (hold.token, (hold.clone(), now)));
        waiting.accepted.extend(accepted);
        if !waiting.is_watched && !waiting.accepted.is_empty() {
            waiting.is_watched = true;
            ledger.connection.runtime().spawn(watch(self.clone(), ledger.clone()));
        }
    }

    /// Has the server told of accepted messages now.
    pub(super) fn tell_accepted(&self, ledger: &RedisLedger) {
        let accepted = mem::take(&mut self.waiting().accepted);
        self.tell(ledger, accepted.into_values().map(|(hold, _)| hold).collect(), Word::Owned);
    }

    /// These are being settled.
    pub(super) fn forget(&self, holds: &[Hold]) {
        let mut waiting = self.waiting();
        for hold in holds {
            waiting.accepted.remove(&hold.token);
        }
    }

    /// The first that are to be told the same; none, and nobody tells any more, where there is nothing left.
    fn next(&self) -> Option<(Vec<Hold>, Word)> {
        let mut waiting = self.waiting();
        let Some((_, word)) = waiting.words.front() else {
            waiting.is_told = false;
            return None;
        };
        let word = *word;
        let same = waiting.words.iter().take(BATCH).take_while(|(_, other)| *other == word).count();
        Some((waiting.words.drain(..same).map(|(hold, _)| hold).collect(), word))
    }

    /// Those that were not settled soon; none, and nobody looks any more, where no message is waited for.
    fn due(&self) -> Option<Vec<Hold>> {
        let mut waiting = self.waiting();
        if waiting.accepted.is_empty() {
            waiting.is_watched = false;
            return None;
        }
        let is_due = |_: &u64, (_, since): &mut (Hold, Instant)| since.elapsed() >= SOON;
        Some(waiting.accepted.extract_if(is_due).map(|(_, (hold, _))| hold).collect())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn tell_all(untold: Untold, ledger: RedisLedger) {
    while let Some((holds, word)) = untold.next() {
        let mut is_late = false;
        loop {
            ledger.connection.up().await;
            let Err(error) = ledger.told(&holds, word).await else { break };
            if !is_late {
                is_late = true;
                tracing::warn!(holds = holds.len(), %error, "the shared store is not told of holds yet; it is tried again");
            }
            sleep(PAUSE).await;
        }
    }
}

async fn watch(untold: Untold, ledger: RedisLedger) {
    while let Some(due) = untold.due() {
        untold.tell(&ledger, due, Word::Owned);
        sleep(SOON / 2).await;
    }
}
