//! Messages of which nobody knows whether Plivo has them: found out, and never guessed.
//!
//! A delivery report on the attempt's own URL proves it. Else Plivo's list is asked, after times that give it a chance
//! to show the message: one that nobody else owns and that fits is this one; none in two lists, the last of them late
//! enough, means that it was not sent; anything else is for the operator's word (messaging.md 3.4).

use std::time::Duration;

use message::{Message, Segments, Sender, Timestamp};
use plivo_client::{Found, LookupError, MessageFilter, PlivoClient};
use tokio::time::Instant;

use super::now;
use super::unsettled::Shown;
use crate::in_force::Account;

/// The clocks of Plivo's that stamp answers and messages may be so far apart.
const CLOCKS: Duration = Duration::from_secs(2);
/// The same at worst: what Plivo has from before may be ours, or somebody else's.
const CLOCKS_APART: Duration = Duration::from_secs(60);
/// Messages on one page of a list, and most pages that are read.
const PAGE: u32 = 20;
const PAGES: u32 = 5;

/// A call of whose outcome nothing is known.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    /// When it began, by this machine's clock, which may be wrong and may have been set since.
    pub(super) began: Timestamp,
    /// The same by Plivo's clock, or a little less; none where that was not known then.
    pub(super) plivo_time: Option<Timestamp>,
    /// Since when this process knows of it, by a clock that nobody sets.
    pub(super) known: Instant,
    /// When it ended, by the same clock; where another process made it, the latest that it can have: the start of this one.
    pub(super) ended: Instant,
    /// It knows since the call began, which was its own.
    pub(super) is_own: bool,
    /// A mark of the account that was called: another's list says nothing. None where that was not written down.
    pub(super) account: Option<String>,
    /// Plivo said yes, and not to what: that its list does not show it proves nothing (messaging.md 3.4).
    pub(super) taken: bool,
}

impl Doubt {
    /// When the call began by Plivo's clock, or a little before; none where nobody can tell. This machine's wall clock
    /// has no say in it, but where it makes it earlier.
    pub(super) fn began_there(&self, plivo: &PlivoClient) -> Option<Timestamp> {
        self.plivo_time.or_else(|| {
            let known = self.is_own.then_some(self.known)?;
            // While a machine sleeps only the wall clock goes on.
            let asleep = now().since(self.began).saturating_sub(known.elapsed());
            Some(plivo.time_at(known.into_std())?.before(asleep))
        })
    }

    /// How long it took; none where another process made it.
    pub(super) fn took(&self) -> Option<Duration> {
        self.is_own.then(|| self.ended.saturating_duration_since(self.known))
    }
}

/// What a list says of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sighting {
    /// Nothing that fits.
    Absent,
    /// This fits, and it can be no other message's.
    Here(String),
    /// What fits may be another message's that may be there, or is more than there should be: which is which cannot be
    /// told.
    Unclear,
}

/// What Plivo lists that may be one message.
#[derive(Clone, Debug, Default)]
pub(super) struct Listed {
    /// Of its type and length.
    pub(super) alike: Vec<String>,
    /// Of its type and another length: Plivo may count otherwise.
    pub(super) otherwise: Vec<String>,
    /// There was more than is read.
    pub(super) cut: bool,
}

/// Every message at Plivo that may be this one, by what a list tells: taken at `since` or later, by Plivo's clock,
/// between these two numbers, of this type.
pub(super) async fn candidates(
    account: &Account,
    message: &Message,
    since: Option<Timestamp>,
) -> Result<Listed, LookupError> {
    let segments = Segments::of(&message.text).count;
    let (from, pool) = match &message.sender {
        Sender::Pool(pool) => (None, Some(pool.as_str())),
        sender => (Some(sender.as_str()), None),
    };
    let to = Some(&message.to);
    let mut seen = Listed { cut: true, ..Listed::default() };
    for page in 0..PAGES {
        let filter = MessageFilter { to, from, pool, since, offset: page * PAGE };
        let listed = account
            .client
            .list_messages(&account.credentials, filter, account.call_timeout)
            .await?;
        let count = listed.len();
        for found in listed.into_iter().filter(|found| is_of_type(found, message)) {
            let alike = is_as_long(&found, segments);
            let place = if alike { &mut seen.alike } else { &mut seen.otherwise };
            place.push(found.message_uuid);
        }
        if count < PAGE as usize {
            seen.cut = false;
            break;
        }
    }
    Ok(seen)
}

/// Where the list begins that is asked for a message whose call began at `began`, by Plivo's clock.
pub(super) fn beginning(began: Timestamp) -> Timestamp {
    began.before(CLOCKS)
}

/// Where the list begins that shows it although Plivo's own clocks are apart.
pub(super) fn earlier(began: Timestamp) -> Timestamp {
    began.before(CLOCKS_APART)
}

/// The newest that a list can show of a call that began at `began` and took so long, or as long as any may: Plivo may take
/// its message until its end, and shows it by the last settle time.
pub(super) fn newest(began: Timestamp, took: Option<Duration>, account: &Account) -> Timestamp {
    let last = account.settle.last().copied().unwrap_or_default();
    began.after(took.unwrap_or(account.call_timeout) + last)
}

/// Whether a list that begins at `one` may show what one that begins at `other` does not, or the other way round.
pub(super) fn differ(one: Timestamp, other: Timestamp) -> bool {
    one.since(other).max(other.since(one)) > CLOCKS
}

/// Whether this machine's clock is not Plivo's, as far as that is known.
pub(super) fn is_apart(plivo: &PlivoClient) -> bool {
    let (here, there) = (now(), plivo.time_at(Instant::now().into_std()));
    there.is_none_or(|there| there.since(here).max(here.since(there)) > CLOCKS_APART)
}

/// What is to be made of the candidates that no other message owns, where this may be there of this one and of others.
pub(super) fn sighting(free: &[String], shown: Shown) -> Sighting {
    let Shown { own, others } = shown;
    match free {
        [] => Sighting::Absent,
        // No other may be there: it was sent, by whichever of its calls.
        [.., oldest] if others == 0 && free.len() <= own => Sighting::Here(oldest.clone()),
        // Even where all that may be there are: with another's id it would be told another's end.
        _ => Sighting::Unclear,
    }
}

fn is_of_type(found: &Found, message: &Message) -> bool {
    found.message_type.is_empty() || found.message_type == message.kind().as_str()
}

fn is_as_long(found: &Found, segments: u32) -> bool {
    // Plivo counts an MMS as one unit, and some of its answers give none.
    let counted = found.units.filter(|units| *units > 0 && found.message_type != "mms");
    counted.is_none_or(|units| units == segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uuids(count: usize) -> Vec<String> {
        (0..count).map(|nth| format!("u{nth}")).collect()
    }

    #[test]
    fn one_is_adopted_only_where_it_cannot_be_anothers() {
        for (free, own, others, seen) in [
            (0, 1, 0, Sighting::Absent),
            (0, 1, 2, Sighting::Absent),
            (0, 2, 0, Sighting::Absent),
            (1, 1, 0, Sighting::Here("u0".into())),
            (2, 1, 1, Sighting::Unclear),
            (2, 1, 0, Sighting::Unclear),
            (1, 1, 1, Sighting::Unclear),
            (1, 2, 0, Sighting::Here("u0".into())),
            (2, 2, 0, Sighting::Here("u1".into())),
            (3, 2, 0, Sighting::Unclear),
            (2, 2, 1, Sighting::Unclear),
        ] {
            let shown = Shown { own, others };
            assert_eq!(sighting(&uuids(free), shown), seen, "{free} free of {shown:?}");
        }
    }
}
