use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{
    Context, Decision, Facts, InboundMessage, Message, Note, PolicyError, Problem, Receipt,
};

/// A rule over messages, as the host loads it.
///
/// Its name and version are those of the crate that exports it.
pub trait Policy: Sized + 'static {
    /// What an operator may write under `settings`. Derive `Deserialize` with `deny_unknown_fields`, and `JsonSchema`.
    type Settings: DeserializeOwned + JsonSchema;

    /// One sentence for operators.
    const SUMMARY: &'static str;

    /// The limits and key spaces kept in [`state`](crate::state), for people.
    const BUCKETS: &'static [&'static str] = &[];

    /// Whether it is asked again before a call to Plivo that comes late: a message may wait for its `not_before`, for a
    /// limit or for Plivo, and what was right when it was accepted need not be right any more.
    ///
    /// It is asked in a dry run, about the message as it was cleared, without `not_before` and `ttl_s`. A refusal ends
    /// the message's way unsent; `set_not_before_ms` has it wait until then; other changes are left aside. In the
    /// module it is `"x-asked-again": true` at the top of the settings' schema.
    const ASKED_AGAIN: bool = false;

    /// Checks `settings` and keeps what decisions need. Called once for each instance.
    ///
    /// # Errors
    ///
    /// Every setting that does not fit, each with its JSON pointer ([`problem`](crate::problem)).
    fn configure(settings: Self::Settings) -> Result<Self, Vec<Problem>>;

    /// Decides on one message: a function of its arguments, the settings and [`state`](crate::state) only.
    ///
    /// # Errors
    ///
    /// "I could not decide", never "no": what follows is the operator's `on_failure`.
    fn check(
        &self,
        message: &Message,
        facts: &Facts,
        context: &Context,
    ) -> Result<Decision, PolicyError>;
}

/// A policy that is told what became of the messages it let pass: `export!(MyPolicy, outcomes)`.
pub trait Outcomes: Policy {
    /// `outcome` is `accepted`, `rejected`, `not-sent` or `in-doubt`.
    fn on_outcome(&self, id: &str, outcome: &str, context: &Context);
}

/// A policy that is told of delivery reports: `export!(MyPolicy, reports)`.
pub trait Reports: Policy {
    /// `state` is Plivo's word, such as `delivered`; `error_code` its code, such as `200`, or empty.
    fn on_delivery_report(&self, id: &str, state: &str, error_code: &str, context: &Context);
}

/// A policy that is told in full what became of a message: `export!(MyPolicy, receipts)`.
pub trait Receipts: Policy {
    /// Takes a delivery report, or the app's word that the recipient did what the message was for.
    ///
    /// # Errors
    ///
    /// It could not take it. That is logged; it is told again only where a call of `state` was unavailable.
    fn on_receipt(&self, receipt: &Receipt, context: &Context) -> Result<(), PolicyError>;
}

/// A policy that is told of messages from handsets: `export!(MyPolicy, inbound)`.
pub trait Inbound: Policy {
    /// Takes one message, and says what it made of it.
    ///
    /// # Errors
    ///
    /// It could not take it now; it is told of it again where that can be.
    fn on_inbound(
        &self,
        message: &InboundMessage,
        context: &Context,
    ) -> Result<Vec<Note>, PolicyError>;
}
