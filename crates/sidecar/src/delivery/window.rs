//! How many calls at once Plivo takes: halved where it says that there are too many, and grown while it takes them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Between two changes: the answers to one volley are one piece of news.
const PAUSE: Duration = Duration::from_secs(1);

/// The room for calls, between one and what the operator allows.
#[derive(Debug)]
pub(crate) struct Window(Mutex<State>);

#[derive(Debug)]
struct State {
    most: usize,
    room: usize,
    changed: Option<Instant>,
}

impl Window {
    /// Open as far as it may be.
    pub(crate) fn new(most: usize) -> Self {
        Self(Mutex::new(State { most, room: most, changed: None }))
    }

    /// Takes another bound into force; returns the room there is now.
    pub(crate) fn set_most(&self, most: usize) -> usize {
        self.with(|state| {
            let was_open = state.room == state.most;
            state.most = most;
            state.room = if was_open { most } else { state.room.min(most) };
            state.room
        })
    }

    /// Plivo said that there are too many calls while `out` were out: half of these from now on. None where nothing
    /// changes.
    pub(crate) fn too_many(&self, out: usize, now: Instant) -> Option<usize> {
        self.change(now, |state| (state.room.min(out) / 2).max(1))
    }

    /// Plivo took one: a quarter more, and one. None where nothing changes.
    pub(crate) fn taken(&self, now: Instant) -> Option<usize> {
        self.change(now, |state| (state.room + state.room / 4 + 1).min(state.most))
    }

    fn change(&self, now: Instant, next: impl FnOnce(&State) -> usize) -> Option<usize> {
        self.with(|state| {
            let next = next(state);
            let is_due = state.changed.is_none_or(|changed| now >= changed + PAUSE);
            if next == state.room || !is_due {
                return None;
            }
            (state.room, state.changed) = (next, Some(now));
            Some(next)
        })
    }

    /// Nothing in here panics, so the lock outlives whoever did.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_what_was_out_once_for_a_volley_and_never_closes() {
        let (window, start) = (Window::new(100), Instant::now());
        assert_eq!(window.too_many(8, start), Some(4));
        assert_eq!(window.too_many(4, start + PAUSE / 2), None, "of the same volley");
        assert_eq!(window.too_many(4, start + PAUSE), Some(2));
        assert_eq!(window.too_many(2, start + 2 * PAUSE), Some(1));
        assert_eq!(window.too_many(1, start + 3 * PAUSE), None);
    }

    #[test]
    fn it_grows_back_while_plivo_takes_calls_and_not_beyond_its_bound() {
        let (window, start) = (Window::new(10), Instant::now());
        assert_eq!(window.taken(start), None, "it is open");
        assert_eq!(window.too_many(10, start), Some(5));
        let grown: Vec<_> = (1..=4).map(|nth| window.taken(start + nth * PAUSE)).collect();
        assert_eq!(grown, [Some(7), Some(9), Some(10), None]);
    }

    #[test]
    fn another_bound_holds_at_once_and_opens_no_window_that_was_narrowed() {
        let (window, start) = (Window::new(10), Instant::now());
        assert_eq!(window.set_most(20), 20);
        window.too_many(8, start);
        assert_eq!((window.set_most(40), window.set_most(2)), (4, 2));
    }
}
