//! Reports that came to another replica than the one that has their message: handed on by what replicas share.

use std::sync::Arc;
use std::time::Duration;

use message::{E164, MessageId};
use store_redis::{HandedOn, Place, SharedError, SharedReports};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::form::Form;
use super::tally::Came;
use super::{Reports, Tally, now, spans};
use crate::inbound::NotTaken;

/// Between two looks at what was handed on.
const PAUSE: Duration = Duration::from_secs(1);
/// How often one is told again that a policy could not hear, before the next: others wait behind it, and Plivo is asked
/// about its message later.
const MOST_TRIES: u32 = 60;

/// Hands a report on to whoever has its message, with the recipient's number where that is kept; when this returns, it is
/// where all replicas look.
///
/// # Errors
///
/// It may not be there.
pub(super) async fn hand_on(
    shared: &SharedReports,
    message: &MessageId,
    form: &Form,
    names_numbers: bool,
) -> Result<(), SharedError> {
    shared.hand_on(message, form.encoded(names_numbers).as_bytes()).await
}

/// Reads what other replicas hand on.
pub(crate) struct Reader {
    reports: Arc<Reports>,
    shared: SharedReports,
    tally: Arc<Tally>,
    /// None from the start on: what came while no process of this replica was there is among the oldest that is kept.
    place: Option<Place>,
    /// How often a policy could not hear of the one after that place.
    unheard: u32,
    /// Whether the log tells that some were missed.
    said: bool,
}

impl Reader {
    pub(crate) fn new(reports: Arc<Reports>, shared: SharedReports, tally: Arc<Tally>) -> Self {
        Self { reports, shared, tally, place: None, unheard: 0, said: false }
    }

    /// Takes them until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        while stop.run_until_cancelled(sleep(PAUSE)).await.is_some() {
            self.take_all(&stop).await;
        }
    }

    /// Takes what there is by now; what cannot be read or written down now is taken later.
    ///
    /// One that is begun is taken to its end: whoever is to hear of it hears of it once, and the record is first.
    async fn take_all(&mut self, stop: &CancellationToken) {
        loop {
            // Whoever looks after the connection says that it is away.
            let Ok(page) = self.shared.after(self.place.as_ref()).await else { return };
            if page.lost > 0 {
                self.miss(page.lost);
            }
            if page.reports.is_empty() {
                return;
            }
            for each in page.reports {
                if stop.is_cancelled() {
                    return;
                }
                match take(&self.reports, &each).await {
                    Took::All => {}
                    Took::Unwritten => return,
                    Took::Unheard => {
                        self.unheard += 1;
                        if self.unheard < MOST_TRIES {
                            return;
                        }
                    }
                }
                (self.place, self.unheard) = (Some(each.place), 0);
            }
        }
    }

    fn miss(&mut self, lost: u64) {
        if let Some(place) = &mut self.place {
            place.pass(lost);
        }
        self.tally.add_many(Came::Missed, lost);
        if !self.said {
            self.said = true;
            tracing::warn!(
                reports = lost,
                "delivery reports that other replicas handed on went before they were read here, more than are kept; \
                 Plivo is asked about messages without one"
            );
        }
    }
}

/// What became of one that was handed on.
enum Took {
    /// Nothing is left of it to be done.
    All,
    Unwritten,
    /// A policy could not hear of it now.
    Unheard,
}

/// Takes a report that is about a message of ours.
async fn take(reports: &Reports, handed_on: &HandedOn) -> Took {
    let Some((message, form)) = &handed_on.report else { return Took::All };
    let Ok(found) = reports.store.get(None, message).await else { return Took::Unwritten };
    let Some(record) = found else { return Took::All };
    let form = Form::read(form).ok();
    let Some((form, report)) = form.and_then(|form| form.report().ok().map(|it| (form, it))) else {
        return Took::All;
    };
    let span = spans::report();
    spans::says(&span, &report, &form.besides());
    spans::belongs_to(&span, &record);
    let to: Option<E164> = form.to();
    let taken = reports.take(&record, to, report, now()).instrument(span).await;
    if let Err(err) = &taken {
        tracing::error!(message.id = %record.id, error = %err, "a report could not be taken yet");
    }
    match taken {
        Ok(_) => Took::All,
        Err(NotTaken::Failed(..)) => Took::Unheard,
        Err(NotTaken::Unwritten(_)) => Took::Unwritten,
    }
}
