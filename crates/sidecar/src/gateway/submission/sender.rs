//! Who a message comes from.

use message::{Fault, Kind, Sender};

use super::super::faults::Faults;
use super::super::order::Order;
use crate::config::{App, Plivo};

/// Where the doors name a sender.
const NAMED: [&str; 3] = ["/from", "/src", "/powerpack_uuid"];

/// The sender asked for, or the configured one: the app's, else the account's; within what the app may use and what the
/// sender can do.
pub(super) fn of(order: &Order, app: &App, plivo: &Plivo, faults: &mut Faults) -> Option<Sender> {
    // Each by itself, so that all that is wrong is told at once.
    let number = order.from.as_ref().map(|from| {
        let parsed = Sender::parse(&from.value, &from.pointer);
        (from.pointer.as_str(), parsed.map_err(|fault| faults.push(fault)).ok())
    });
    let pool = order.pool.as_ref().map(|pool| {
        let sender = Sender::pool(&pool.value);
        if sender.is_none() {
            let detail = "is not a UUID, as Plivo's pools have";
            faults.push(Fault::new(&pool.pointer, "sender.invalid", detail));
        }
        (pool.pointer.as_str(), sender)
    });
    let (pointer, sender) = match (number, pool) {
        (Some((pointer, _)), Some(_)) => {
            let detail = "stands beside a pool; give `from` or `powerpack_uuid`, not both";
            faults.push(Fault::new(pointer, "sender.ambiguous", detail));
            return None;
        }
        (Some((pointer, sender)), None) | (None, Some((pointer, sender))) => (pointer, sender?),
        // One was named that cannot be read: the default is not what was meant.
        (None, None) if faults.told().iter().any(|fault| NAMED.contains(&&*fault.pointer)) => {
            return None;
        }
        (None, None) => (
            "/from",
            (app.sender.as_ref())
                .or(app.senders.as_ref().and_then(|own| own.first()))
                .unwrap_or(&plivo.sender)
                .clone(),
        ),
    };
    let kind = if order.has_media() { Kind::Mms } else { Kind::Sms };
    let mut found = unfit(&sender, kind, app, plivo, pointer);
    if order.names_no_sender {
        for fault in &mut found {
            fault.pointer.clear();
            fault.detail = format!("the sender of the configuration {}", fault.detail);
        }
    }
    faults.extend(found);
    Some(sender)
}

/// What keeps `app` from sending messages of this kind from `sender`; the pointer is the sender's.
pub(in crate::gateway) fn unfit(
    sender: &Sender,
    kind: Kind,
    app: &App,
    plivo: &Plivo,
    pointer: &str,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    if app.senders.as_ref().is_some_and(|own| !own.contains(sender)) {
        let detail = "is not one of the senders that the configuration gives this app";
        faults.push(Fault::new(pointer, "sender.not_allowed", detail));
    }
    let known = plivo.senders.iter().find(|known| known.sender == *sender);
    let detail = match (known, kind) {
        (Some(known), Kind::Mms) if !known.mms => "cannot send media",
        (Some(known), Kind::Sms) if !known.sms => "cannot send texts",
        _ => return faults,
    };
    faults.push(Fault::new(pointer, "sender.not_capable", detail));
    faults
}
