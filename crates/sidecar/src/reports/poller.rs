//! Asks Plivo what became of messages that no report tells of: there is no public URL, or it has been silent.

mod look;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use message::{MessageId, Timestamp};
use store::{Change, Record};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use self::look::{Asked, Ended, look};
use super::{AuthTokens, Reports, spans};
use crate::config::Looks;
use crate::delivery::{ALLOWED, Upstream};

/// Most questions at once.
const AT_ONCE: usize = 32;
/// Between two looks at what is due.
const IDLE: Duration = Duration::from_secs(1);
/// Longest pause after Plivo could not be asked.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Messages taken from the store at once.
const PAGE: u32 = 50;

/// The worker that asks about the messages of one account, whose trouble keeps nobody from asking about others.
pub(super) struct Poller {
    reports: Arc<Reports>,
    tokens: Arc<AuthTokens>,
    /// The account's name.
    account: Arc<str>,
    /// When the next question may be asked.
    free: Instant,
    /// How often in a row Plivo could not be asked.
    failures: u32,
    /// The latest question was answered, so that the next need not wait for one another.
    well: bool,
    asking: JoinSet<Ended>,
    /// The messages that are being asked about; the store still calls them due.
    busy: HashSet<MessageId>,
}

/// Asks about the messages of every account in force until `stop`, by a worker for each.
pub(crate) async fn run(reports: Arc<Reports>, tokens: Arc<AuthTokens>, stop: CancellationToken) {
    let (mut pollers, mut known) = (JoinSet::new(), HashSet::new());
    loop {
        for upstream in reports.delivery.upstreams() {
            let account = Arc::clone(&upstream.account().name);
            if known.insert(Arc::clone(&account)) {
                let poller = Poller::new(Arc::clone(&reports), Arc::clone(&tokens), account);
                pollers.spawn(poller.run(stop.clone()));
            }
        }
        tokio::select! {
            Some(ended) = pollers.join_next() => match ended {
                Ok(left) => drop(known.remove(&left)),
                Err(err) => std::panic::resume_unwind(err.into_panic()),
            },
            () = sleep(IDLE) => {}
            () = stop.cancelled() => break,
        }
    }
    // Each lets go of the store, which is brought in order by the last that does.
    while pollers.join_next().await.is_some() {}
}

impl Poller {
    fn new(reports: Arc<Reports>, tokens: Arc<AuthTokens>, account: Arc<str>) -> Self {
        let (asking, busy) = (JoinSet::new(), HashSet::new());
        let free = Instant::now();
        Self { reports, tokens, account, free, failures: 0, well: false, asking, busy }
    }

    /// Asks whatever is due until `stop`, or until the account is in force no more; returns its name. What was to be
    /// asked is in the store, so that a restart goes on.
    async fn run(mut self, stop: CancellationToken) -> Arc<str> {
        while let Some(upstream) = self.reports.delivery.upstream(&self.account) {
            let pause = tokio::select! {
                pause = self.round(&upstream) => pause,
                () = stop.cancelled() => break,
            };
            let next = Instant::now() + pause;
            loop {
                tokio::select! {
                    () = sleep_until(next) => break,
                    Some(ended) = self.asking.join_next() => drop(self.end(ended.ok()).await),
                    () = stop.cancelled() => return self.account,
                }
            }
        }
        // Its reports are taken for a while yet.
        self.tokens.with(&self.account, None, Instant::now());
        self.account
    }

    /// Asks about what is due now, without waiting for the last answers, and returns how long to wait.
    async fn round(&mut self, upstream: &Arc<Upstream>) -> Duration {
        // A change of credentials is seen here even where no report comes for long.
        let credentials = Arc::clone(&upstream.account().credentials);
        self.tokens.with(&self.account, Some(&credentials.auth_token), Instant::now());
        let most = PAGE + u32::try_from(self.busy.len()).unwrap_or(0);
        let mut due = match self.reports.store.due_looks(&self.account, now(), most).await {
            Ok(due) => due,
            Err(err) => {
                tracing::warn!(error = %err, "what Plivo is to be asked about could not be read");
                return IDLE;
            }
        };
        due.retain(|record| !self.busy.contains(&record.id));
        let more = due.len() >= PAGE as usize;
        for record in due {
            if let Some(pause) = self.turn(upstream).await {
                return pause;
            }
            if !upstream.may_ask().await {
                return IDLE;
            }
            self.busy.insert(record.id.clone());
            let span = spans::look(&record);
            let reports = Arc::clone(&self.reports);
            let question = look(reports, Arc::clone(upstream), record).instrument(span);
            if self.well {
                self.asking.spawn(question);
                continue;
            }
            // One finds out for all of them.
            let ended = question.await;
            if let Some(pause) = self.end(Some(ended)).await {
                return pause;
            }
        }
        if more { Duration::ZERO } else { IDLE }
    }

    /// Waits until the next question may be asked; how long to wait instead, where one that ends meanwhile says so.
    async fn turn(&mut self, upstream: &Upstream) -> Option<Duration> {
        loop {
            let has_room = self.asking.len() < AT_ONCE;
            tokio::select! {
                () = sleep_until(self.free), if has_room => break,
                Some(ended) = self.asking.join_next() => {
                    if let Some(pause) = self.end(ended.ok()).await {
                        return Some(pause);
                    }
                }
            }
        }
        let percent = upstream.account().looks.percent;
        self.free = Instant::now() + apart(percent, upstream.recent_calls());
        None
    }

    /// Takes a question's end down, and returns how long to wait where no more are to be asked now.
    async fn end(&mut self, ended: Option<Ended>) -> Option<Duration> {
        // A question that panicked leaves its message as busy, which keeps the fault from coming again and again.
        let Ended { record, asked } = ended?;
        let pause = match asked {
            Asked::Answered => {
                (self.failures, self.well) = (0, true);
                None
            }
            Asked::Unwritten => Some(IDLE),
            Asked::Unheard => {
                (self.failures, self.well) = (0, true);
                self.put_off(&record, Duration::ZERO).await;
                None
            }
            Asked::Later(least) => {
                // Of many at once the first tells; the others were on their way.
                if self.well || self.asking.is_empty() {
                    self.failures += 1;
                }
                self.well = false;
                let doubled = IDLE.saturating_mul(1 << self.failures.saturating_sub(1).min(6));
                let pause = doubled.max(least).min(LONGEST_PAUSE);
                self.put_off(&record, pause).await;
                Some(pause)
            }
        };
        self.busy.remove(&record.id);
        pause
    }

    /// Puts a message behind the others, for at least `pause`: it may be the only one that cannot be asked about. No
    /// look is used up by that, but asking ends when it has lasted long enough.
    async fn put_off(&self, record: &Record, pause: Duration) {
        let (store, looks, now) =
            (&self.reports.store, &self.reports.delivery.account().looks, now());
        // It was not sent after its deadline.
        let written = if record.deadline.after(looks.until) <= now {
            tracing::info!(message.id = %record.id, "Plivo could not be asked about a message, or a policy not hear the \
             answer, for long enough; it is not asked any more");
            store.looked(&record.id, None).await
        } else {
            let next = now.after(pause.max(step(looks, record.looks + 1)));
            let change = Change { next_look: Some(next), ..Change::at(now) };
            store.change(&record.id, change).await.map(drop)
        };
        if let Err(err) = written {
            tracing::warn!(message.id = %record.id, error = %err, "a question to Plivo could not be put off");
        }
    }
}

/// Least time between two questions, by their share of what Plivo allows an account and by the calls that sends have
/// made lately, which come first.
fn apart(percent: u32, calls: u32) -> Duration {
    let (allowed, within) = ALLOWED;
    let share = allowed * percent.min(100) / 100;
    // One is always asked now and then, so that what waits for it comes to its end.
    within / share.min(allowed.saturating_sub(calls)).max(1)
}

/// When to look after `made` looks; none where it was looked for long enough.
fn next_look(looks: &Looks, made: u32, now: Timestamp) -> Option<Timestamp> {
    let mut passed = Duration::ZERO;
    for nth in 0..=made {
        passed += step(looks, nth);
        if passed > looks.until {
            return None;
        }
    }
    Some(now.after(step(looks, made)))
}

/// How long before the look after `made` looks.
fn step(looks: &Looks, made: u32) -> Duration {
    let nth = usize::try_from(made).unwrap_or(usize::MAX);
    looks.steps.get(nth).or(looks.steps.last()).copied().unwrap_or(looks.until)
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests;
