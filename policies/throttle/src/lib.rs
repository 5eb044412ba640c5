//! Limits by app, recipient, sender, country and account.
//!
//! All limits that refuse are looked at together, and charged together or not at all. The charges belong to the
//! request: the host keeps them when the message was, or may have been, sent, and gives them back otherwise.

mod charges;
mod limit;
mod refusal;
mod settings;
mod standing;

use policy_sdk::state::{self, Charge, Standing, Taken};
use policy_sdk::{Change, Context, Decision, Facts, Message, Policy, PolicyError, Problem, export};

pub use settings::Settings;

use limit::{Limit, Mode, OnLimit};

/// Charges every limit that a message is under.
#[derive(Debug)]
pub struct Throttle {
    limits: Vec<Limit>,
    salt: String,
}

impl Policy for Throttle {
    type Settings = Settings;
    const SUMMARY: &'static str = "Limits by app, recipient, sender, country and account";
    const BUCKETS: &'static [&'static str] =
        &["usage of each limit, by its name and by app, marked number, region or account"];

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        settings.check()
    }

    fn check(
        &self,
        message: &Message,
        facts: &Facts,
        context: &Context,
    ) -> Result<Decision, PolicyError> {
        let (enforced, monitored): (Vec<&Limit>, Vec<&Limit>) = self
            .limits
            .iter()
            .filter(|limit| limit.is_for(message, facts, context))
            .partition(|limit| limit.mode == Mode::Enforce);
        let charge = |limit: &&Limit| charges::charge(limit, &self.salt, message, facts, context);

        let charges: Vec<Charge> = enforced.iter().map(charge).collect();
        let decision = match take(&charges)? {
            Taken::Refused(refusals) => return Ok(refusal::refuse(&enforced, &charges, &refusals)),
            Taken::Ok(standings) => admitted(&enforced, &standings, message, context.now_ms),
        };
        // One by one, so that a limit that is used up does not keep the others from counting.
        monitored.iter().try_fold(decision, |decision, limit| {
            Ok(match take(&[charge(limit)])? {
                Taken::Ok(_) => decision,
                Taken::Refused(_) => {
                    let what = if limit.on_limit == OnLimit::Queue { "put off" } else { "refused" };
                    let detail = format!("limit `{}` would have {what} this message", limit.name);
                    decision.warn("throttle.monitor", detail)
                }
            })
        })
    }
}

export!(Throttle, cases = "../cases.toml");

fn take(charges: &[Charge]) -> Result<Taken, PolicyError> {
    if charges.is_empty() {
        return Ok(Taken::Ok(Vec::new()));
    }
    Ok(state::take(charges)?)
}

/// The message may go: at once, or when the queueing limits let it. These the host keeps when it sends, and refuses at
/// once what would be over by then: it knows what waits, and how urgent each is.
fn admitted(limits: &[&Limit], standings: &[Standing], message: &Message, now_ms: u64) -> Decision {
    let slowest = standings.iter().max_by_key(|standing| standing.delay_ms);
    let decision = match slowest {
        Some(Standing { limit, delay_ms, .. }) if *delay_ms > 0 => {
            let due_ms = now_ms.saturating_add(*delay_ms);
            if message.not_before_ms.is_some_and(|asked| asked >= due_ms) {
                Decision::accept()
            } else {
                let seconds = delay_ms.div_ceil(1_000);
                let detail = format!(
                    "its turn at limit `{limit}` is {seconds} s away; what is more urgent goes first"
                );
                Change::new("throttle.shaped", detail).into()
            }
        }
        _ => Decision::accept(),
    };
    standings.iter().zip(limits).fold(decision, |decision, (standing, limit)| {
        decision.note(format!("ratelimit.{}", limit.name), standing::line(limit, standing))
    })
}
