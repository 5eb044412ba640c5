//! Telling apps what became of their messages: by calling them, and by answering when they ask.
//!
//! Events are written by the store in the transaction of what they tell of, so that none is lost and none is told that
//! did not happen. An app is told at least once; `source` and `id` of an event are the same each time (messaging.md
//! 3.10).

mod call;
mod circuit;
mod event;
mod events;
mod plivo_form;
mod schedule;
mod source;
mod spans;
mod subscriber;
mod tally;
mod target;
#[cfg(test)]
mod testing;
mod unanswered;
mod webhook;
mod worker;

use std::sync::Arc;

use arc_swap::ArcSwap;

use self::worker::Subscribers;
use crate::in_force::InForce;

pub(crate) use self::events::Asked;
pub(crate) use self::source::Source;
pub(crate) use self::subscriber::Subscriber;
pub(crate) use self::tally::RelayTally;
pub(crate) use self::target::{Form, Target};
pub(crate) use self::unanswered::{Unanswered, Waiting};
pub(crate) use self::webhook::WebhookKey;
pub(crate) use self::worker::Relay;

/// The apps as the configuration in force has them.
pub(crate) fn subscribers(in_force: &Arc<ArcSwap<InForce>>) -> Subscribers {
    let in_force = Arc::clone(in_force);
    Arc::new(move |name| {
        let in_force = in_force.load();
        let app = in_force.apps.iter().find(|app| app.name == name)?;
        Some(Subscriber::of(app, in_force.chain.generation().0))
    })
}
