//! An order judged: well-formed messages, one a recipient, or every fault at once.
//!
//! What stands here can never be right as written, whatever the policies say (the 400s). What an operator may choose is
//! the policies' part; its faults are only added where the request is refused anyway, so that nobody mends in rounds.

mod schedule;
mod sender;
mod shared;

use message::{Change, E164, Fault, MediaUrl, Message, Sender, Timestamp, facts};

use plivo_client::Log;

use self::shared::Shared;
use super::order::{At, Order};
use crate::config::{App, PhoneForm, Plivo};

pub(crate) use self::schedule::HORIZON_S;

/// Most recipients of one request: Plivo's own bound for one call.
pub(crate) const RECIPIENTS: usize = 1_000;

/// What an app asked for, understood.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) drafts: Vec<Draft>,
    /// Asked for as a list, so answered as one.
    pub(crate) many: bool,
    pub(crate) unknown_fields: Vec<String>,
    /// What Plivo is to keep, where the app says so.
    pub(crate) log: Option<Log>,
    /// Whether conversion feedback will follow.
    pub(crate) trackable: bool,
    /// How the place that the app names is called, where it says so.
    pub(crate) callback_method: Option<String>,
}

/// One recipient's message, or why it cannot be one.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The recipient, where it could be read.
    pub(crate) to: Option<E164>,
    pub(crate) message: Result<Message, Vec<Fault>>,
    /// What was mended on the way in.
    pub(crate) changes: Vec<Change>,
}

impl Submission {
    /// Judges `order` as `app` may ask it at `now`.
    ///
    /// # Errors
    ///
    /// Every fault of the parts that all recipients share, and those of the recipient too where there is only one.
    pub(crate) fn of(
        order: Order,
        app: &App,
        plivo: &Plivo,
        now: Timestamp,
    ) -> Result<Self, Vec<Fault>> {
        if order.to.len() > RECIPIENTS {
            let detail =
                format!("has {} recipients; at most {RECIPIENTS} fit one request", order.to.len());
            return Err(vec![Fault::new("/to", "phone.too_many", detail)]);
        }
        let mut faults = order.faults.clone();
        let shared = Shared::of(&order, app, plivo, now, &mut faults);
        let recipients: Vec<_> =
            order.to.iter().map(|to| recipient(to, app, shared.sender.as_ref())).collect();

        let alone = !order.many;
        if alone {
            faults.splice(
                0..0,
                recipients.iter().filter_map(|to| to.as_ref().err()).flatten().cloned(),
            );
        }
        if !faults.is_empty() {
            let known = recipients.iter().filter_map(|to| to.as_ref().ok());
            faults.extend(judged(known.map(|(number, _)| number), &shared.media_urls));
            return Err(faults);
        }
        let Shared { sender: Some(sender), .. } = &shared else {
            return Err(vec![Fault::new(
                "/from",
                "sender.missing",
                "is missing, and the configuration names no sender",
            )]);
        };
        let mut seen = Vec::new();
        let drafts = order.to.iter().zip(recipients).map(|(at, recipient)| {
            let (to, change) = match recipient {
                Ok(recipient) => recipient,
                Err(faults) => {
                    return Draft { to: None, message: Err(faults), changes: Vec::new() };
                }
            };
            if seen.contains(&to) {
                let fault =
                    Fault::new(&at.pointer, "phone.repeated", "stands twice in one request");
                return Draft { to: Some(to), message: Err(vec![fault]), changes: Vec::new() };
            }
            seen.push(to.clone());
            let changes = shared.changes.iter().cloned().chain(change).collect();
            Draft { to: Some(to.clone()), message: Ok(shared.message(to, sender)), changes }
        });
        Ok(Self {
            drafts: drafts.collect(),
            many: order.many,
            log: order.log,
            trackable: order.trackable,
            callback_method: order.callback_method,
            unknown_fields: order.unknown,
        })
    }
}

/// A change that the gateway itself made.
pub(crate) fn change(code: &str, detail: &str) -> Change {
    Change { policy: "gateway".into(), code: code.into(), detail: detail.into() }
}

fn recipient(
    to: &At<String>,
    app: &App,
    sender: Option<&Sender>,
) -> Result<(E164, Option<Change>), Vec<Fault>> {
    let (number, mended) = match app.phone {
        PhoneForm::Strict => {
            (E164::parse(&to.value, &to.pointer).map_err(|fault| vec![fault])?, false)
        }
        PhoneForm::Lenient => {
            E164::parse_lenient(&to.value, &to.pointer).map_err(|fault| vec![fault])?
        }
    };
    if matches!(sender, Some(Sender::Number(from)) if *from == number) {
        let detail = "is the sender itself; a message to oneself loops";
        return Err(vec![Fault::new(&to.pointer, "phone.same_as_sender", detail)]);
    }
    let change = mended.then(|| {
        change("phone.normalized", "spaces, parentheses, hyphens or dots were taken out of `to`")
    });
    Ok((number, change))
}

/// What the `validation` policy will say of the parts that could be read, in its default settings.
fn judged<'a>(numbers: impl Iterator<Item = &'a E164>, media_urls: &[MediaUrl]) -> Vec<Fault> {
    let mut faults: Vec<Fault> =
        numbers.filter_map(|to| facts::number_faults(&facts::number(to), "/to")).collect();
    let rules = facts::MediaRules::default();
    for (index, url) in media_urls.iter().enumerate() {
        let pointer = format!("/media_urls/{index}");
        let looked = MediaUrl::parse(url.as_str(), &pointer).ok();
        faults.extend(looked.and_then(|(_, media)| facts::media_faults(&media, &pointer, &rules)));
    }
    faults
}
