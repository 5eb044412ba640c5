//! What messages do by themselves, and when.
//!
//! One task plays all of it, so that a receiver that does not answer costs memory for each report and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::callback::{self, RETRIES};
use crate::messages::Messages;
use crate::shared::Shared;
use crate::{Callbacks, Queued, Reports, State};

/// Most moves waiting, and as many posts; further ones are forgotten, as Plivo's would be lost.
const MOST_DUE: usize = 250_000;
/// Most posts under way at once.
const MOST_POSTS: usize = 64;
/// When nothing is due, far enough away.
const LATER: Duration = Duration::from_secs(3_600);

/// What will happen.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    moves: Due<Move>,
    posts: Due<Post>,
}

/// Things to do, by their time and then in the order in which they were set down.
#[derive(Debug)]
struct Due<T> {
    kept: BTreeMap<(Instant, u64), T>,
    next: u64,
}

/// A message's next state.
#[derive(Debug)]
struct Move {
    uuid: String,
    stage: Stage,
    reports: Arc<Reports>,
    /// What is to be sent later, oldest first.
    kept: Vec<Moved>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Queued,
    Sent,
    End,
}

/// A message's state, to be reported.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    uuid: String,
    state: State,
    error_code: Option<String>,
    sequence: u32,
    at: Timestamp,
}

/// Reports to be sent one after the other.
#[derive(Debug)]
pub(crate) struct Post {
    batch: Vec<Moved>,
    reports: Arc<Reports>,
    /// How often the first of them was sent before.
    attempts: usize,
}

impl Schedule {
    /// Sees to it that freshly queued messages move, if the reports are automatic.
    pub(crate) fn follow(&mut self, uuids: &[String], reports: &Arc<Reports>, now: Instant) {
        if !matches!(reports.callbacks, Callbacks::Auto { .. }) {
            return;
        }
        for uuid in uuids {
            let (uuid, reports) = (uuid.clone(), Arc::clone(reports));
            self.moves.add(now, Move { uuid, stage: Stage::Queued, reports, kept: Vec::new() });
        }
    }

    /// Sends a report again that was not taken, unless it was sent often enough.
    pub(crate) fn again(
        &mut self,
        message: &Queued,
        reports: Arc<Reports>,
        attempts: usize,
        unit: Duration,
    ) {
        if let Some(units) = RETRIES.get(attempts.wrapping_sub(1)) {
            let batch = vec![Moved::from(message)];
            self.posts.add(Instant::now() + unit * *units, Post { batch, reports, attempts });
        }
    }

    /// Moves the messages whose time has come.
    fn move_due(&mut self, messages: &mut Messages, now: Instant) {
        while let Some(due) = self.moves.pop(now) {
            self.step(messages, due, now);
        }
    }

    fn step(&mut self, messages: &mut Messages, due: Move, now: Instant) {
        let Move { uuid, stage, reports, mut kept } = due;
        let Callbacks::Auto { sent_after, delivered_after } = reports.callbacks else { return };
        let (state, code) = match stage {
            Stage::Queued => (State::Queued, None),
            Stage::Sent => (State::Sent, None),
            Stage::End => (reports.end, reports.error_code.as_deref()),
        };
        // A message that was forgotten does nothing more.
        let Some(message) = messages.report(&uuid, state, code, None) else { return };
        if message.url.is_some() {
            kept.push(Moved::from(&message));
        }
        if (!reports.reversed || matches!(stage, Stage::End)) && !kept.is_empty() {
            let mut batch = std::mem::take(&mut kept);
            batch.reverse();
            self.posts.add(now, Post { batch, reports: Arc::clone(&reports), attempts: 0 });
        }
        match stage {
            Stage::Queued => {
                self.moves.add(now + sent_after, Move { uuid, stage: Stage::Sent, reports, kept });
            }
            Stage::Sent => {
                self.moves
                    .add(now + delivered_after, Move { uuid, stage: Stage::End, reports, kept });
            }
            Stage::End => {}
        }
    }

    fn next(&self) -> Option<Instant> {
        self.moves.next().into_iter().chain(self.posts.next()).min()
    }
}

impl<T> Due<T> {
    fn add(&mut self, at: Instant, thing: T) {
        if self.kept.len() < MOST_DUE {
            self.kept.insert((at, self.next), thing);
            self.next += 1;
        }
    }

    fn pop(&mut self, now: Instant) -> Option<T> {
        let first = self.kept.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    fn next(&self) -> Option<Instant> {
        self.kept.first_key_value().map(|((at, _), _)| *at)
    }
}

impl<T> Default for Due<T> {
    fn default() -> Self {
        Self { kept: BTreeMap::new(), next: 0 }
    }
}

impl From<&Queued> for Moved {
    fn from(message: &Queued) -> Self {
        Self {
            uuid: message.message_uuid.clone(),
            state: message.state,
            error_code: message.error_code.clone(),
            sequence: message.sequence,
            at: message.moved_at,
        }
    }
}

impl Moved {
    /// The message as it stood then, if it is still known.
    fn message(&self, messages: &Messages) -> Option<Queued> {
        let (state, error_code) = (self.state, self.error_code.clone());
        let message = messages.get(&self.uuid)?.clone();
        let (sequence, moved_at) = (self.sequence, self.at);
        Some(Queued { state, error_code, sequence, moved_at, ..message })
    }
}

/// Plays the schedule for as long as the simulator runs.
pub(crate) async fn play(shared: Arc<Shared>) {
    let mut posts = JoinSet::new();
    loop {
        let scheduled = shared.scheduled.notified();
        let now = Instant::now();
        let next = shared.with(|world| {
            world.schedule.move_due(&mut world.messages, now);
            while posts.len() < MOST_POSTS
                && let Some(post) = world.schedule.posts.pop(now)
            {
                posts.spawn(send(Arc::clone(&shared), post));
            }
            if posts.len() < MOST_POSTS {
                world.schedule.next()
            } else {
                world.schedule.moves.next()
            }
        });
        tokio::select! {
            () = scheduled => {}
            () = sleep_until(next.unwrap_or(now + LATER)) => {}
            Some(sent) = posts.join_next() => {
                // A panic is the simulator's fault, and shows where it is stopped.
                if let Err(err) = sent
                    && let Ok(panic) = err.try_into_panic()
                {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
}

async fn send(shared: Arc<Shared>, post: Post) {
    for moved in &post.batch {
        let Some(message) = shared.look(|world| moved.message(&world.messages)) else { continue };
        // What is not taken is in the schedule again.
        let _ = callback::post_all(&shared, &message, &post.reports, post.attempts).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_by_their_time_and_then_as_they_were_set_down() {
        let (mut due, now) = (Due::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        due.add(later, "third");
        due.add(now, "first");
        due.add(now, "second");
        assert_eq!(
            [due.pop(now), due.pop(now), due.pop(now)],
            [Some("first"), Some("second"), None]
        );
        assert_eq!(due.next(), Some(later));
        assert_eq!(due.pop(later), Some("third"));
    }

    #[test]
    fn what_is_due_is_bounded() {
        let (mut due, now) = (Due::default(), Instant::now());
        for n in 0..=MOST_DUE {
            due.add(now, n);
        }
        assert_eq!(due.kept.len(), MOST_DUE);
    }
}
