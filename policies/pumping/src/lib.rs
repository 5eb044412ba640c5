//! Notices traffic that is made for its price (SMS pumping), and stops it.
//!
//! Every rule looks at what was sent before, in `state`. In `monitor` they count and warn; that is how to begin.

mod block;
mod conversion;
mod regions;
mod settings;

use policy_sdk::state::{self, Charge, LimitKind, StateError, Taken, Window};
use policy_sdk::{
    Context, Decision, Facts, Message, Policy, PolicyError, Problem, Receipt, Receipts, export,
    mark, reject,
};

pub use settings::Settings;

use settings::Mode;

/// The app's label that tells whose doing has it send.
const SOURCE_TAG: &str = "end_user_ip";

/// The rules.
#[derive(Debug)]
pub struct Pumping(Settings);

/// A rule that says no.
#[derive(Debug)]
pub(crate) struct Trip {
    rule: &'static str,
    code: &'static str,
    detail: &'static str,
    wait_ms: u64,
}

impl Policy for Pumping {
    type Settings = Settings;
    const SUMMARY: &'static str = "Notices traffic that is made for its price, and stops it";
    const BUCKETS: &'static [&'static str] = &[
        "velocity, runs and closings of blocks of a thousand numbers, and numbers texted, by mark",
        "regions known, and messages to new ones, by app",
        "conversions and unconverted messages by region; converted messages by id, for a day",
        "messages by marked address",
    ];

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        settings.check()
    }

    fn check(
        &self,
        message: &Message,
        facts: &Facts,
        context: &Context,
    ) -> Result<Decision, PolicyError> {
        let Self(rules) = self;
        if rules.safe.iter().any(|safe| message.to.starts_with(safe.as_str())) {
            return Ok(Decision::accept().note("fraud.safe", "the number is safe-listed"));
        }
        let mut decision = Decision::accept();
        // One after the other: in force, one that says no has nobody ask the rest.
        for nth in 0..4 {
            let trip = match nth {
                0 => block::check(&rules.velocity, message, context)?,
                1 => regions::check(&rules.fanout, &rules.cold_start, facts, context)?,
                2 => conversion::check(&rules.conversion, message, facts, context)?,
                _ => self.source(message)?,
            };
            match (trip, rules.mode) {
                (None, _) => {}
                (Some(trip), Mode::Enforce) => {
                    return Ok(reject(trip.code, trip.detail).retry_after_ms(trip.wait_ms).into());
                }
                (Some(trip), Mode::Monitor) => {
                    let detail = format!(
                        "rule `{}` would have refused this message ({})",
                        trip.rule, trip.code
                    );
                    decision = decision.warn("fraud.monitor", detail);
                }
            }
        }
        Ok(decision)
    }
}

impl Receipts for Pumping {
    fn on_receipt(&self, receipt: &Receipt, context: &Context) -> Result<(), PolicyError> {
        if receipt.state == "converted" {
            conversion::learn(&self.0.conversion, receipt, context)?;
        }
        Ok(())
    }
}

export!(Pumping, receipts, cases = "../cases.toml");

impl Pumping {
    /// Whether one address has had too many messages sent.
    fn source(&self, message: &Message) -> Result<Option<Trip>, StateError> {
        let rule = &self.0.source;
        let address = message.tags.iter().find(|(key, _)| key == SOURCE_TAG);
        let Some((_, address)) = address.filter(|_| rule.quota > 0) else { return Ok(None) };
        let per_ms = u64::from(rule.per_s) * 1_000;
        let window = LimitKind::Window(Window { quota: rule.quota, per_ms });
        let refused = refused("source", &mark("", ["source", address]), window)?;
        Ok(refused.map(|wait_ms| {
            let detail = "one address has had too many messages sent in a short time";
            Trip::new("source", "fraud.source", detail).wait(wait_ms)
        }))
    }
}

impl Trip {
    fn new(rule: &'static str, code: &'static str, detail: &'static str) -> Self {
        Self { rule, code, detail, wait_ms: 0 }
    }

    fn wait(self, wait_ms: u64) -> Self {
        Self { wait_ms, ..self }
    }
}

/// Charges one message against a limit; how long to wait where that is used up.
fn refused(limit: &str, key: &str, kind: LimitKind) -> Result<Option<u64>, StateError> {
    let charge = Charge { limit: limit.into(), key: key.into(), kind, cost: 1, queue: false };
    Ok(match state::take(&[charge])? {
        Taken::Ok(_) => None,
        Taken::Refused(refusals) => refusals.first().map(|refusal| refusal.wait_ms),
    })
}

#[cfg(test)]
mod tests;
