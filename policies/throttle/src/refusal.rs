use policy_sdk::state::{Charge, LimitKind, Period, Refusal, Standing};
use policy_sdk::{Decision, Fault, reject};

use crate::limit::{Limit, Scope};
use crate::standing;

/// A limit that refuses, and what it was asked for.
struct Violated<'a> {
    limit: &'a Limit,
    cost: u32,
    refusal: &'a Refusal,
}

/// The refusal by every limit that refuses: its code is that of the longest wait, so that who waits so long may pass.
pub(crate) fn refuse(limits: &[&Limit], charges: &[Charge], refusals: &[Refusal]) -> Decision {
    let asked = || limits.iter().zip(charges);
    let violated: Vec<Violated<'_>> = refusals
        .iter()
        .filter_map(|refusal| {
            let (limit, charge) = asked().find(|(limit, _)| limit.name == refusal.limit)?;
            Some(Violated { limit, cost: charge.cost, refusal })
        })
        .collect();
    let never = violated.iter().any(|each| each.refusal.never);
    let wait_ms = violated.iter().map(|each| each.refusal.wait_ms).max().unwrap_or(0);
    // The first of those that wait longest: `max_by_key` would give the last.
    let worst =
        violated.iter().find(
            |Violated { refusal, .. }| {
                if never { refusal.never } else { refusal.wait_ms == wait_ms }
            },
        );
    let (code, detail) = match worst {
        Some(worst) => (worst.code(), worst.detail()),
        None => ("throttle.limit".into(), "a limit of this message's is used up".into()),
    };
    let mut rejection = reject(code, detail);
    if !never {
        rejection = rejection.retry_after_ms(wait_ms);
    }
    for each in &violated {
        rejection = rejection.fault(Fault::new("", each.code(), each.detail()));
    }
    // A limit that refuses several at once may have room for fewer: how much it does not say.
    let spent = violated.iter().filter(|each| each.cost == 1);
    spent.fold(Decision::from(rejection), |decision, Violated { limit, refusal, .. }| {
        let standing = Standing {
            limit: limit.name.clone(),
            remaining: 0,
            reset_ms: refusal.wait_ms,
            delay_ms: 0,
        };
        decision.note(format!("ratelimit.{}", limit.name), standing::line(limit, &standing))
    })
}

impl Violated<'_> {
    /// A limit's code is its name, but where the kind of limit says more than the operator's name for it.
    fn code(&self) -> String {
        match (&self.limit.kind, self.limit.scope) {
            _ if self.refusal.never => "throttle.cost_exceeds_burst".into(),
            (LimitKind::Calendar(_), _) => "throttle.calendar".into(),
            (_, Scope::Pair) => "throttle.loop".into(),
            _ => format!("throttle.{}", self.limit.name),
        }
    }

    fn detail(&self) -> String {
        let Self { limit, cost, refusal } = self;
        let name = &limit.name;
        if refusal.never {
            return format!("costs more than limit `{name}` can ever hold; send a shorter text");
        }
        let bound = match &limit.kind {
            LimitKind::Window(window) => format!("{} in {} s", window.quota, window.per_ms / 1_000),
            LimitKind::Gcra(gcra) => {
                format!("{} in {} s, {} at once", gcra.quota, gcra.per_ms / 1_000, gcra.burst)
            }
            LimitKind::Calendar(calendar) => {
                let period = match calendar.period {
                    Period::Day => "day",
                    Period::Week => "week",
                    Period::Month => "month",
                };
                format!("{} a {period} in {}", calendar.quota, calendar.zone)
            }
        };
        match cost {
            1 => format!("limit `{name}` ({bound}) is used up"),
            cost => format!("limit `{name}` ({bound}) has no room for {cost} now"),
        }
    }
}

#[cfg(test)]
mod tests {
    use policy_sdk::testing::{Case, sms};
    use policy_sdk::{Decision, Rejection};

    use crate::Throttle;

    /// The refusal of the second message under limits of one.
    fn second(limits: &str) -> Rejection {
        let mut case = Case::<Throttle>::new(&format!(r#"{{"limits": [{limits}]}}"#));
        assert_eq!(case.check(&sms()).refused_with(), None, "the first message");
        let decision: Decision = case.at(1).check(&sms());
        decision.rejection().unwrap_or_else(|| panic!("passed: {decision:?}")).clone()
    }

    #[test]
    fn the_code_is_the_limits_name() {
        for scope in ["app", "recipient", "sender", "country", "account"] {
            let limit =
                format!(r#"{{"name": "{scope}", "scope": "{scope}", "quota": 1, "per_s": 60}}"#);
            assert_eq!(second(&limit).code, format!("throttle.{scope}"));
        }
    }
}
