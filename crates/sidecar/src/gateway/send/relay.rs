//! Where an app wants to hear of a message, and whether it may.

use message::{Fault, Note};

use crate::gateway::Call;
use crate::gateway::answer::Door;
use crate::relay::{Form, Subscriber};

/// What becomes of a message's events.
pub(in crate::gateway) struct Told {
    /// Where they go, as the record keeps it; none where nobody is called.
    pub(in crate::gateway) relay: Option<String>,
    /// Why nobody is called where the message names a place.
    pub(in crate::gateway) warning: Option<Note>,
}

impl Told {
    /// What the app's configuration makes of the place that a message names. An app that is not configured to be called
    /// is warned and not refused: clients of Plivo name a place in every message, and may look the message up as well.
    ///
    /// # Errors
    ///
    /// `relay.not_allowed` where the configuration names other origins.
    pub(in crate::gateway) fn of(
        call: &Call,
        door: Door,
        method: Option<&str>,
        callback: Option<&str>,
    ) -> Result<Self, Fault> {
        let subscriber = Subscriber::of(&call.app, call.in_force.chain.generation().0);
        let (form, pointer) = match door {
            Door::Plivo => (Form::plivo(method), "/url"),
            _ => (Form::CloudEvent, "/callback_url"),
        };
        let deaf = call.app.relay.is_none() || !subscriber.can_sign(form);
        if callback.is_some() && deaf {
            return Ok(Self { relay: None, warning: Some(not_relayed()) });
        }
        let relay = subscriber
            .record(callback, form)
            .map_err(|err| Fault::new(pointer, "relay.not_allowed", err.to_string()))?;
        Ok(Self { relay, warning: None })
    }
}

fn not_relayed() -> Note {
    Note {
        policy: "gateway".into(),
        key: "callback_url.not_relayed".into(),
        value: "the app has no relay_url or relay_allow, so nobody is called; ask /v1/events, or look the message up"
            .into(),
        shown: true,
    }
}
