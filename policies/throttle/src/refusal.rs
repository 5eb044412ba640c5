use policy_sdk::state::{LimitKind, Refusal, Standing};
use policy_sdk::{Decision, Fault, reject};

use crate::limit::{Limit, Scope};
use crate::standing;

/// The refusal by every limit that refuses: its code is that of the longest wait, so that who waits so long may pass.
pub(crate) fn refuse(limits: &[&Limit], refusals: &[Refusal]) -> Decision {
    let violated: Vec<(&Limit, &Refusal)> = refusals
        .iter()
        .filter_map(|refusal| {
            limits.iter().find(|limit| limit.name == refusal.limit).map(|limit| (*limit, refusal))
        })
        .collect();
    let never = violated.iter().any(|(_, refusal)| refusal.never);
    let wait_ms = violated.iter().map(|(_, refusal)| refusal.wait_ms).max().unwrap_or(0);
    // The first of those that wait longest: `max_by_key` would give the last.
    let worst = violated
        .iter()
        .find(|(_, refusal)| if never { refusal.never } else { refusal.wait_ms == wait_ms });
    let (code, detail) = match worst {
        Some((limit, refusal)) => (code(limit, refusal), detail(limit, refusal)),
        None => ("throttle.limit".into(), "a limit of this message's is used up".into()),
    };
    let mut rejection = reject(code, detail);
    if !never {
        rejection = rejection.retry_after_ms(wait_ms);
    }
    for (limit, refusal) in &violated {
        rejection = rejection.fault(Fault::new(
            "",
            self::code(limit, refusal),
            self::detail(limit, refusal),
        ));
    }
    violated.iter().fold(Decision::from(rejection), |decision, (limit, refusal)| {
        let standing = Standing {
            limit: limit.name.clone(),
            remaining: 0,
            reset_ms: refusal.wait_ms,
            delay_ms: 0,
        };
        decision.note(format!("ratelimit.{}", limit.name), standing::line(limit, &standing))
    })
}

/// A limit's code is its name, but where the kind of limit says more than the operator's name for it.
fn code(limit: &Limit, refusal: &Refusal) -> String {
    match (&limit.kind, limit.scope) {
        _ if refusal.never => "throttle.cost_exceeds_burst".into(),
        (LimitKind::Calendar(_), _) => "throttle.calendar".into(),
        (_, Scope::Pair) => "throttle.loop".into(),
        _ => format!("throttle.{}", limit.name),
    }
}

fn detail(limit: &Limit, refusal: &Refusal) -> String {
    if refusal.never {
        return format!(
            "costs more than limit `{}` can ever hold; send a shorter text",
            limit.name
        );
    }
    let bound = match &limit.kind {
        LimitKind::Window(window) => format!("{} in {} s", window.quota, window.per_ms / 1_000),
        LimitKind::Gcra(gcra) => {
            format!("{} in {} s, {} at once", gcra.quota, gcra.per_ms / 1_000, gcra.burst)
        }
        LimitKind::Calendar(calendar) => {
            format!("{} a period in {}", calendar.quota, calendar.zone)
        }
    };
    format!("limit `{}` ({bound}) is used up", limit.name)
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
