//! So many segments, or so much money, by app and day.
//!
//! What a message costs is charged to all its budgets together before it is sent, and given back where it was not.

mod prices;
mod settings;

use policy_sdk::state::{self, Calendar, Charge, LimitKind, Standing, StateError, Taken};
use policy_sdk::{
    Context, Decision, Facts, Kind, Message, Policy, PolicyError, Problem, Receipt, Receipts,
    export, reject,
};

pub use settings::Settings;

use prices::{Cost, Prices};
use settings::{Limit, Mode, Scope, Unit};

/// Charges every budget that a message is under.
#[derive(Debug)]
pub struct Budget {
    limits: Vec<Limit>,
    prices: Prices,
}

impl Policy for Budget {
    type Settings = Settings;
    const SUMMARY: &'static str = "So many segments, or so much money, by app and day";
    const BUCKETS: &'static [&'static str] = &[
        "what each budget has spent, by its name and by app or account",
        "the price that Plivo told last, and one not believed, by region and kind, for ninety days",
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
        let own = self.limits.iter().filter(|limit| limit.is_for(&context.app));
        let (enforced, monitored): (Vec<&Limit>, Vec<&Limit>) =
            own.partition(|limit| limit.mode == Mode::Enforce);
        // An MMS is one unit at Plivo, however long its text.
        let segments = if message.kind == Kind::Sms { facts.text.segments.max(1) } else { 1 };
        let in_money = |limit: &&Limit| limit.unit == Unit::Money;
        let cost = match enforced.iter().chain(&monitored).any(in_money) {
            true => self.prices.of(message, facts, segments)?,
            false => Cost { money: 0, doubted: None },
        };
        let charge = |limit: &&Limit| charge(limit, &context.app, segments, cost.money);

        let charges: Vec<Charge> = enforced.iter().map(charge).collect();
        let decision = match take(&charges)? {
            Taken::Refused(refusals) => {
                let names: Vec<&str> = refusals.iter().map(|each| each.limit.as_str()).collect();
                let detail = format!("it would cost more than is left of: {}", names.join(", "));
                let no = reject("budget.exceeded", detail);
                // What no period's budget can hold will not fit tomorrow either.
                let never = refusals.iter().any(|each| each.never);
                let wait_ms = refusals.iter().map(|each| each.wait_ms).max().unwrap_or(0);
                return Ok(if never { no } else { no.retry_after_ms(wait_ms) }.into());
            }
            Taken::Ok(standings) => noted(&enforced, &standings),
        };
        let decision = match cost.doubted {
            Some(price) => {
                let told = format!("{} were told, and not believed", in_dollars(price));
                decision.note("budget.price.doubted", told)
            }
            None => decision,
        };
        monitored.iter().try_fold(decision, |decision, limit| {
            Ok(match take(&[charge(limit)])? {
                Taken::Ok(_) => decision,
                Taken::Refused(_) => {
                    let detail = format!("budget `{}` would have refused this message", limit.name);
                    decision.warn("budget.monitor", detail)
                }
            })
        })
    }
}

impl Receipts for Budget {
    fn on_receipt(&self, receipt: &Receipt, _: &Context) -> Result<(), PolicyError> {
        Ok(self.prices.learn(receipt)?)
    }
}

export!(Budget, receipts, cases = "../cases.toml");

fn charge(limit: &Limit, app: &str, segments: u32, money: u32) -> Charge {
    let kind = LimitKind::Calendar(Calendar {
        quota: limit.quota,
        period: limit.period,
        zone: limit.zone.clone(),
    });
    let key = match limit.scope {
        Scope::App => app.to_owned(),
        Scope::Account => "account".to_owned(),
    };
    let cost = if limit.unit == Unit::Money { money } else { segments };
    Charge { limit: limit.name.clone(), key, kind, cost, queue: false }
}

fn take(charges: &[Charge]) -> Result<Taken, StateError> {
    if charges.is_empty() {
        return Ok(Taken::Ok(Vec::new()));
    }
    state::take(charges)
}

/// What is left of each budget, for the record.
fn noted(limits: &[&Limit], standings: &[Standing]) -> Decision {
    let pairs = standings.iter().zip(limits);
    pairs.fold(Decision::accept(), |decision, (standing, limit)| {
        let left = match limit.unit {
            Unit::Segments => format!("{} segments", standing.remaining),
            Unit::Money => in_dollars(standing.remaining),
        };
        decision.note(format!("budget.{}", limit.name), format!("{left} left"))
    })
}

fn in_dollars(units: u32) -> String {
    format!("{:.5} USD", f64::from(units) / prices::IN_A_DOLLAR)
}

#[cfg(test)]
mod tests;
