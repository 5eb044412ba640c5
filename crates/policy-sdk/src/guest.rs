//! What [`export!`](crate::export) calls: one configured policy for each instance, behind the contract's functions.

use std::cell::OnceCell;
use std::thread::LocalKey;

use crate::bindings::sendgate::policy::types;
use crate::{
    Context, Decision, Facts, Inbound, InboundMessage, Manifest, Note, Outcomes, Policy,
    PolicyError, Problem, Receipt, Receipts, Reports, problem, settings,
};

/// Where an instance keeps its policy: settings are read once, not in every call.
pub type Slot<P> = LocalKey<OnceCell<P>>;

/// The contract's `describe`.
pub fn describe<P: Policy>(name: &str, version: &str) -> Manifest {
    Manifest {
        name: name.into(),
        version: version.into(),
        summary: P::SUMMARY.into(),
        settings_schema: settings::schema::<P::Settings>(P::ASKED_AGAIN),
        buckets: P::BUCKETS.iter().map(|bucket| (*bucket).into()).collect(),
    }
}

/// The contract's `configure`.
///
/// # Errors
///
/// What does not fit in `json`; or that the instance is configured already.
pub fn configure<P: Policy>(slot: &'static Slot<P>, json: &str) -> Result<(), Vec<Problem>> {
    let settings = settings::read(json).map_err(|problem| vec![problem])?;
    let policy = P::configure(settings)?;
    slot.with(|slot| slot.set(policy))
        .map_err(|_| vec![problem("", "this instance is configured already")])
}

/// The contract's `check`.
///
/// # Errors
///
/// The policy's own; `not-configured` where `configure` did not come first.
pub fn check<P: Policy>(
    slot: &'static Slot<P>,
    message: types::Message,
    facts: &Facts,
    context: &Context,
) -> Result<Decision, PolicyError> {
    slot.with(|slot| match slot.get() {
        Some(policy) => policy.check(&message.into(), facts, context),
        None => Err(not_configured()),
    })
}

/// The contract's `on-outcome`. An instance that is not configured has no policy to tell.
pub fn on_outcome<P: Outcomes>(slot: &'static Slot<P>, id: &str, outcome: &str, context: &Context) {
    slot.with(|slot| {
        if let Some(policy) = slot.get() {
            policy.on_outcome(id, outcome, context);
        }
    });
}

/// The contract's `on-delivery-report`. An instance that is not configured has no policy to tell.
pub fn on_delivery_report<P: Reports>(
    slot: &'static Slot<P>,
    id: &str,
    state: &str,
    error_code: &str,
    context: &Context,
) {
    slot.with(|slot| {
        if let Some(policy) = slot.get() {
            policy.on_delivery_report(id, state, error_code, context);
        }
    });
}

/// The contract's `on-receipt`.
///
/// # Errors
///
/// The policy's own; `not-configured` where `configure` did not come first.
pub fn on_receipt<P: Receipts>(
    slot: &'static Slot<P>,
    receipt: &Receipt,
    context: &Context,
) -> Result<(), PolicyError> {
    slot.with(|slot| match slot.get() {
        Some(policy) => policy.on_receipt(receipt, context),
        None => Err(not_configured()),
    })
}

/// The contract's `on-inbound`.
///
/// # Errors
///
/// The policy's own; `not-configured` where `configure` did not come first.
pub fn on_inbound<P: Inbound>(
    slot: &'static Slot<P>,
    message: &InboundMessage,
    context: &Context,
) -> Result<Vec<Note>, PolicyError> {
    slot.with(|slot| match slot.get() {
        Some(policy) => policy.on_inbound(message, context),
        None => Err(not_configured()),
    })
}

fn not_configured() -> PolicyError {
    PolicyError::new("not-configured", "configure has to be called first")
}

/// Writes the text of a panic to the log, as one line, before the instance traps.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        crate::log::error(&panic.to_string().replace('\n', " "));
    }));
}
