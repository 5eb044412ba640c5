//! Plivo's clock, as its answers show it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use message::Timestamp;
use reqwest::header::{DATE, HeaderMap};

/// How far this machine's clock may be from Plivo's before somebody is told.
const APART: Duration = Duration::from_secs(60);

/// What the latest answer showed; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Arc<Mutex<Option<Shown>>>);

#[derive(Clone, Copy, Debug)]
struct Shown {
    /// When the answer came.
    at: Instant,
    date: Timestamp,
    /// Whether this machine's clock was far away.
    apart: bool,
}

impl Clock {
    /// Takes the `Date` of an answer that has just come (RFC 9110, 6.6.1); one without it tells nothing.
    pub(crate) fn hear(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else { return };
        let here = Timestamp::from(SystemTime::now());
        let date = Timestamp::from(date);
        let by = here.since(date).max(date.since(here));
        let shown = Shown { at: Instant::now(), date, apart: by > APART };
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(shown);
        if shown.apart && !before.is_some_and(|before| before.apart) {
            tracing::warn!(
                apart_s = by.as_secs(),
                ahead = here > date,
                "this machine's clock and Plivo's are apart; deadlines and limits follow this machine's, so have it \
                 kept"
            );
        }
    }

    /// What it showed at `at`, or a little less: its answers have whole seconds, and take their time to come.
    pub(crate) fn at(&self, at: Instant) -> Option<Timestamp> {
        let shown = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(match at.checked_duration_since(shown.at) {
            Some(since) => shown.date.after(since),
            None => shown.date.before(shown.at.saturating_duration_since(at)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(date: &str) -> Clock {
        let (clock, mut headers) = (Clock::default(), HeaderMap::new());
        headers.insert(DATE, date.parse().unwrap());
        clock.hear(&headers);
        clock
    }

    #[test]
    fn plivos_clock_goes_on_from_its_latest_answer_and_back() {
        let clock = heard("Sun, 06 Nov 1994 08:49:37 GMT");
        let (at, second) = (clock.0.lock().unwrap().unwrap().at, Duration::from_secs(1));
        let shown = [at - second, at, at + second].map(|at| clock.at(at));
        assert_eq!(
            shown,
            [784_111_776_000, 784_111_777_000, 784_111_778_000].map(|ms| Some(Timestamp(ms)))
        );
    }

    #[test]
    fn without_a_date_that_can_be_read_it_is_not_known() {
        assert_eq!(heard("soon").at(Instant::now()), None);
        let clock = Clock::default();
        clock.hear(&HeaderMap::new());
        assert_eq!(clock.at(Instant::now()), None);
    }
}
