//! An order judged: well-formed messages, one a recipient, or every fault at once.
//!
//! What stands here can never be right as written, whatever the policies say (the 400s). What an operator may choose is
//! the policies' part; its faults are only added where the request is refused anyway, so that nobody mends in rounds.

mod labels;
mod schedule;
mod sender;
mod shared;

use std::collections::HashSet;
use std::mem;

use message::{Change, E164, Fault, MediaUrl, Message, Sender, Timestamp, facts};
use plivo_client::{Dlt, Log};

use self::shared::Shared;
use super::faults::Faults;
use super::fields::UNKNOWN;
use super::order::{At, Order, To};
use crate::config::{App, PhoneForm, Plivo};

pub(super) use self::sender::unfit;

/// Most recipients of one request: Plivo's own bound for one call.
pub(crate) const RECIPIENTS: usize = 1_000;

/// What an app asked for, understood.
pub(crate) struct Submission {
    pub(crate) drafts: Vec<Draft>,
    /// Asked for as a list, so answered as one.
    pub(crate) many: bool,
    pub(crate) unknown_fields: Vec<String>,
    /// What Plivo is to keep, where the app says so.
    pub(crate) log: Option<Log>,
    /// Whether conversion feedback will follow.
    pub(crate) trackable: bool,
    /// What India's regulator is told, where the app says so.
    pub(crate) dlt: Option<Dlt>,
    /// How the place that the app names is called, where it says so.
    pub(crate) callback_method: Option<String>,
}

/// Whom a message is for.
///
/// Its `Debug` would show the number, so it has none.
#[derive(Clone)]
pub(crate) struct Recipient {
    /// Where the app wrote it.
    pub(crate) pointer: String,
    /// As the app wrote it.
    pub(crate) given: String,
    /// As it was understood, where it could be.
    pub(crate) number: Option<E164>,
}

impl Recipient {
    /// Has a policy's faults point to it: a policy sees one message, and knows of no list that its recipient is in.
    pub(crate) fn place(&self, faults: &mut [Fault]) {
        // A member that a door does not know may be called so, too.
        let is_its = |fault: &&mut Fault| fault.pointer == "/to" && fault.code != UNKNOWN;
        for fault in faults.iter_mut().filter(is_its) {
            fault.pointer.clone_from(&self.pointer);
        }
    }
}

/// One recipient's message, or why it cannot be one.
pub(crate) struct Draft {
    pub(crate) to: Recipient,
    pub(crate) message: Result<Message, Vec<Fault>>,
    /// What was mended on the way in.
    pub(crate) changes: Vec<Change>,
}

impl Submission {
    /// Judges `order` as `app` may ask it at `now`.
    ///
    /// # Errors
    ///
    /// Every fault, of the parts that all recipients share and of each recipient: where there is only one recipient, or
    /// the shared parts have one themselves.
    pub(crate) fn of(
        order: Order,
        app: &App,
        plivo: &Plivo,
        now: Timestamp,
    ) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        if order.to.len() > RECIPIENTS {
            let detail = format!(
                "has {} recipients; at most {RECIPIENTS} fit one request, and the others were not looked at",
                order.to.len()
            );
            faults.push(Fault::new("/to", "phone.too_many", detail));
        }
        faults.append(order.faults.clone());
        let shared = Shared::of(&order, app, plivo, now, &mut faults);
        let recipients = recipients(&order, app, shared.sender.as_ref());
        let theirs = recipients.iter().filter_map(|to| to.as_ref().err()).flatten().cloned();
        if !order.many {
            let shared = mem::replace(&mut faults, theirs.collect());
            faults.append(shared);
        } else if !faults.is_empty() {
            faults.extend(theirs);
        }
        if !faults.is_empty() {
            faults.extend(judged(&order.to, &recipients, &order.media_urls));
            return Err(faults);
        }
        let Shared { sender: Some(sender), .. } = &shared else {
            let detail = "is missing, and the configuration names no sender";
            return Err(Fault::new("/from", "sender.missing", detail).into());
        };
        let drafts = order.to.iter().zip(recipients).map(|(at, recipient)| {
            let (pointer, given) = (at.pointer.clone(), at.given.clone());
            match recipient {
                Ok((to, change)) => Draft {
                    to: Recipient { pointer, given, number: Some(to.clone()) },
                    message: Ok(shared.message(to, sender)),
                    changes: shared.changes.iter().cloned().chain(change).collect(),
                },
                Err(faults) => Draft {
                    // A number may be refused though it could be read.
                    to: Recipient {
                        pointer,
                        given,
                        number: number(at, app).map(|(number, _)| number).ok(),
                    },
                    message: Err(faults),
                    changes: Vec::new(),
                },
            }
        });
        Ok(Self {
            drafts: drafts.collect(),
            many: order.many,
            log: order.log,
            trackable: order.trackable,
            dlt: order.dlt,
            callback_method: order.callback_method,
            unknown_fields: order.unknown,
        })
    }

    /// What is wrong with its recipients.
    pub(crate) fn into_faults(self) -> Faults {
        self.drafts.into_iter().filter_map(|draft| draft.message.err()).flatten().collect()
    }
}

/// A change that the gateway itself made.
pub(crate) fn change(code: &str, detail: &str) -> Change {
    Change { policy: "gateway".into(), code: code.into(), detail: detail.into() }
}

/// A recipient's number and how it was mended, or what is wrong with it.
type Judged = Result<(E164, Option<Change>), Vec<Fault>>;

/// As many recipients as fit one request, each judged; of equal ones all but the first are faults.
fn recipients(order: &Order, app: &App, sender: Option<&Sender>) -> Vec<Judged> {
    let mut seen = HashSet::new();
    let judged = order.to.iter().take(RECIPIENTS).map(|at| {
        let (to, change) = recipient(at, app, sender)?;
        if !seen.insert(to.clone()) {
            let detail = "stands twice in one request";
            return Err(vec![Fault::new(&at.pointer, "phone.repeated", detail)]);
        }
        Ok((to, change))
    });
    judged.collect()
}

fn recipient(to: &To, app: &App, sender: Option<&Sender>) -> Judged {
    let (number, mended) = number(to, app).map_err(|fault| vec![fault])?;
    if matches!(sender, Some(Sender::Number(from)) if *from == number) {
        let detail = "is the sender itself; a message to oneself loops";
        return Err(vec![Fault::new(&to.pointer, "phone.same_as_sender", detail)]);
    }
    let change = mended.then(|| {
        change("phone.normalized", "spaces, parentheses, hyphens or dots were taken out of `to`")
    });
    Ok((number, change))
}

/// The number, and whether separators were taken out of it.
fn number(to: &To, app: &App) -> Result<(E164, bool), Fault> {
    let read = match app.phone {
        PhoneForm::Strict => E164::parse(&to.value, &to.pointer).map(|number| (number, false)),
        PhoneForm::Lenient => E164::parse_lenient(&to.value, &to.pointer),
    };
    read.map_err(|fault| to.advised(fault))
}

/// What the `validation` policy will say of the parts that could be read, in its default settings.
fn judged(to: &[To], recipients: &[Judged], media_urls: &[At<String>]) -> Vec<Fault> {
    let known =
        to.iter().zip(recipients).filter_map(|(at, judged)| Some((at, judged.as_ref().ok()?)));
    let mut faults: Vec<Fault> = known
        .filter_map(|(at, (to, _))| facts::number_faults(&facts::number(to), &at.pointer))
        .collect();
    let rules = facts::MediaRules::default();
    for at in media_urls {
        let looked = MediaUrl::parse(&at.value, &at.pointer).ok();
        faults
            .extend(looked.and_then(|(_, media)| facts::media_faults(&media, &at.pointer, &rules)));
    }
    faults
}
