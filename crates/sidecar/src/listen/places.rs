//! How many connections there may be, and which one ends where there are too many.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::requests::Requests;
use super::shed::TurnedAway;

/// How long a new connection may take to bring its first request before its place is another's: whoever connects to
/// send at once is not to be put out by the next who does.
const NEW: Duration = Duration::from_millis(250);

/// The places of one listener's connections, or of several listeners'.
///
/// Where all are taken, the connection that is missed least ends for a new one: else peers that only sit there could
/// keep everybody else out.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    free: Arc<Semaphore>,
    taken: Mutex<HashMap<u64, Requests>>,
    /// Numbers for connections, and the order in which they became idle.
    order: AtomicU64,
    /// How long a new connection keeps its place without a request.
    new: Duration,
    /// Told when a connection becomes idle.
    idle: Notify,
    /// Told when a connection ends.
    left: Notify,
    /// Who waits for a place does so alone, so that it gets the one that it made free.
    waiting: tokio::sync::Mutex<()>,
    turned_away: TurnedAway,
}

/// One connection's place. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    requests: Requests,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Self::with(most, NEW)
    }

    fn with(most: usize, new: Duration) -> Arc<Self> {
        Arc::new(Self {
            most,
            new,
            free: Arc::new(Semaphore::new(most)),
            taken: Mutex::default(),
            order: AtomicU64::new(1),
            idle: Notify::new(),
            left: Notify::new(),
            waiting: tokio::sync::Mutex::default(),
            turned_away: TurnedAway::default(),
        })
    }

    /// A place: at once while there are free ones, else that of an idle connection, which ends; where all are new or busy
    /// with requests, the first that becomes free or idle.
    pub(super) async fn take(self: Arc<Self>) -> Place {
        let _alone = self.waiting.lock().await;
        let mut ends = false;
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                break permit;
            }
            ends = ends || self.put_one_out();
            tokio::select! {
                permit = Arc::clone(&self.free).acquire_owned() => {
                    break permit.expect("the semaphore is never closed");
                }
                () = self.idle.notified(), if !ends => {}
                // None is new any more then. Made only where it is polled.
                () = async { sleep(self.new).await }, if !ends => {}
            }
        };
        let (number, requests) = (self.next(), Requests::default());
        requests.end(number);
        self.taken().insert(number, requests.clone());
        Place { places: Arc::clone(&self), number, requests, _permit: permit }
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.taken().len()
    }

    /// How many may be.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Those that found no place.
    pub(crate) fn refused(&self) -> u64 {
        self.turned_away.count()
    }

    pub(super) fn turned_away(&self) -> &TurnedAway {
        &self.turned_away
    }

    /// Returns when no connection is open. For one caller at a time.
    pub(crate) async fn empty(&self) {
        while !self.taken().is_empty() {
            self.left.notified().await;
        }
    }

    /// Returns when no connection has been open for `quiet`. For one caller at a time.
    pub(crate) async fn quiet(&self, quiet: Duration) {
        loop {
            self.empty().await;
            let before = self.order.load(Ordering::Relaxed);
            sleep(quiet).await;
            if self.open() == 0 && self.order.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }

    /// Ends the idle connection that is missed least; whether there was one. Who is known ends after all who are not,
    /// those among them that are new.
    fn put_one_out(&self) -> bool {
        let taken = self.taken();
        let any_is_new = taken.values().any(|each| each.is_new(self.new));
        let old = || taken.values().filter(|each| !each.is_new(self.new));
        let least = || old().filter_map(|each| Some((each.rank()?, each)));
        while let Some(((is_known, _), least)) = least().min_by_key(|(rank, _)| *rank) {
            if is_known && any_is_new {
                return false;
            }
            // It may have begun a request just now; then it is another's turn.
            if least.put_out() {
                return true;
            }
        }
        false
    }

    fn next(&self) -> u64 {
        self.order.fetch_add(1, Ordering::Relaxed)
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Requests>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn requests(&self) -> &Requests {
        &self.requests
    }

    /// A request has been answered: the connection is idle.
    pub(super) fn answered(&self) {
        self.requests.end(self.places.next());
        self.places.idle.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().remove(&self.number);
        self.places.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// A place, where it can be had at once.
    fn at_once(places: &Arc<Places>) -> Option<Place> {
        let mut taking = pin!(Arc::clone(places).take());
        match taking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    fn is_out(place: &Place) -> bool {
        place.requests.rank().is_none() && !place.requests.serving()
    }

    /// An answered request of somebody, or of a stranger.
    fn ask(place: &Place, known: bool) {
        assert!(place.requests.begin());
        if known {
            place.requests.are_known();
        }
        place.answered();
    }

    #[test]
    fn the_stranger_that_is_idle_longest_ends_first_and_then_who_is_known() {
        let places = Places::with(4, Duration::ZERO);
        let all: Vec<Place> = (0..4).map(|_| at_once(&places).unwrap()).collect();
        ask(&all[0], true);
        ask(&all[2], false);
        ask(&all[3], true);
        // The second never asked, so it is idle longest; the third asked since.
        for next in [1, 2, 0, 3] {
            assert!(
                all.iter().filter(|place| is_out(place)).all(|out| out.number != all[next].number)
            );
            assert!(at_once(&places).is_none(), "a place before one is given back");
            assert!(is_out(&all[next]), "{next} still has its place");
        }
    }

    #[tokio::test]
    async fn a_connection_with_a_request_keeps_its_place_and_one_that_is_out_gets_none_served() {
        let places = Places::with(2, Duration::ZERO);
        let (busy, idle) = (at_once(&places).unwrap(), at_once(&places).unwrap());
        assert!(busy.requests.begin());
        for _ in 0..3 {
            assert!(at_once(&places).is_none());
            assert!(is_out(&idle) && !is_out(&busy));
        }
        assert!(!idle.requests.begin(), "a request of a connection that is ended");
    }

    #[tokio::test]
    async fn who_waits_gets_the_place_of_the_first_that_becomes_idle() {
        let places = Places::with(1, Duration::ZERO);
        let busy = at_once(&places).unwrap();
        assert!(busy.requests.begin());
        let waiting = tokio::spawn(Arc::clone(&places).take());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());

        busy.answered();
        busy.requests.wanted_out().await;
        drop(busy);

        waiting.await.unwrap();
        assert!(at_once(&places).is_some(), "a place was lost");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_is_not_put_out_before_it_could_ask() {
        let places = Places::new(1);
        let new = Arc::clone(&places).take().await;
        let next = tokio::spawn(Arc::clone(&places).take());
        tokio::task::yield_now().await;
        assert!(!is_out(&new), "it had no time to ask");

        tokio::time::timeout(NEW * 4, new.requests.wanted_out()).await.expect("its time is over");
        drop(new);
        next.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_quiet_when_nobody_was_connected_for_as_long() {
        let (places, quiet) = (Places::new(2), Duration::from_secs(1));
        let begun = tokio::time::Instant::now();
        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.quiet(quiet).await }
        });
        sleep(quiet / 2).await;
        drop(Arc::clone(&places).take().await);
        waiting.await.unwrap();
        assert_eq!(begun.elapsed(), quiet * 2, "somebody came in the first second");
    }
}
