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
            Taken::Refused(refusals) => return Ok(refusal::refuse(&enforced, &refusals)),
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

export!(Throttle);

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

#[cfg(test)]
mod tests {
    use policy_sdk::testing::{Case, NOON_MS, facts, sms};
    use policy_sdk::{Decision, Message};

    use super::Throttle;

    fn numbered(count: u32) -> Vec<Message> {
        (0..count).map(|n| Message { id: format!("m{n}"), ..sms() }).collect()
    }

    /// Codes of the refusals when `count` messages come at once; empty for those that pass.
    fn rush(case: &mut Case<Throttle>, count: u32) -> Vec<String> {
        let code = |decision: Decision| decision.refused_with().unwrap_or_default().to_owned();
        numbered(count).iter().map(|message| code(case.check(message))).collect()
    }

    #[test]
    fn ten_a_minute_pass_and_the_eleventh_waits_by_default() {
        let mut case = Case::<Throttle>::new("{}");
        assert_eq!(rush(&mut case, 10), vec![""; 10]);

        let decision = case.at(30).check(&sms());
        let rejection = decision.rejection().expect("a rejection");
        assert_eq!(
            (rejection.code.as_str(), rejection.retry_after_ms),
            ("throttle.app", Some(30_000))
        );

        assert_eq!(case.at(60).check(&sms()).refused_with(), None, "the window is half-open");
    }

    #[test]
    fn an_empty_list_is_no_limit() {
        let mut case = Case::<Throttle>::new(r#"{"limits": []}"#);
        assert_eq!(rush(&mut case, 50), vec![""; 50]);
    }

    #[test]
    fn each_app_has_its_own_usage() {
        let mut case = Case::<Throttle>::new("{}");
        rush(&mut case, 10);
        case.context.app = "another".into();
        assert_eq!(case.check(&sms()).refused_with(), None);
    }

    #[test]
    fn one_refusal_charges_nothing_at_all() {
        let mut case = Case::<Throttle>::new(
            r#"{"limits": [{"name": "a", "scope": "app", "quota": 1, "per_s": 10},
                           {"name": "b", "scope": "account", "quota": 2, "per_s": 3600}]}"#,
        );
        assert_eq!(
            rush(&mut case, 5),
            ["", "throttle.a", "throttle.a", "throttle.a", "throttle.a"]
        );
        let decision = case.at(10).check(&sms());
        assert_eq!(decision.noted("ratelimit.b"), Some("q=2;w=3600;r=0;t=3590"), "{decision:?}");
    }

    #[test]
    fn what_was_not_sent_gives_its_charge_back() {
        let mut case = Case::<Throttle>::new("{}");
        rush(&mut case, 10);
        case.nothing_was_sent();
        assert_eq!(case.check(&sms()).refused_with(), None);
    }

    #[test]
    fn a_lowered_quota_counts_what_was_before() {
        let limit = |quota: u32| {
            format!(
                r#"{{"limits": [{{"name": "app", "scope": "app", "quota": {quota}, "per_s": 60}}]}}"#
            )
        };
        let mut case = Case::<Throttle>::new(&limit(20));
        rush(&mut case, 15);
        case.reload(&limit(10));
        assert_eq!(case.at(30).check(&sms()).refused_with(), Some("throttle.app"));
    }

    #[test]
    fn a_monitored_limit_counts_and_warns_but_lets_pass() {
        let mut case = Case::<Throttle>::new(
            r#"{"limits": [{"name": "country", "scope": "country", "quota": 2, "per_s": 3600, "mode": "monitor"}]}"#,
        );
        assert_eq!(rush(&mut case, 2), ["", ""]);
        let decision = case.check(&sms());
        assert_eq!(decision.refused_with(), None);
        let warning = "limit `country` would have refused this message";
        assert_eq!(decision.noted("throttle.monitor"), Some(warning));
    }

    #[test]
    fn a_queueing_limit_lets_pass_and_says_when() {
        let mut case = Case::<Throttle>::new(
            r#"{"limits": [{"name": "sender", "scope": "sender", "kind": "gcra", "quota": 1, "per_s": 1, "burst": 1,
                            "on_limit": "queue", "cost": "segments"}]}"#,
        );
        assert_eq!(case.check(&sms()).changes(), []);
        let mut three = facts(&sms());
        three.text.segments = 3;

        let decision = case.check_with(&sms(), &three);

        let [change] = decision.changes() else { panic!("not one change: {decision:?}") };
        assert_eq!(
            (change.code.as_str(), change.detail.as_str()),
            (
                "throttle.shaped",
                "its turn at limit `sender` is 3 s away; what is more urgent goes first"
            )
        );
        assert!(change.edits.is_empty(), "the host keeps the limit when it sends: {change:?}");
    }

    #[test]
    fn a_queueing_limit_that_is_only_monitored_holds_nothing_up_and_warns() {
        let mut case = Case::<Throttle>::new(
            r#"{"limits": [{"name": "sender", "scope": "sender", "kind": "gcra", "quota": 1, "per_s": 1, "burst": 1,
                            "on_limit": "queue", "mode": "monitor"}]}"#,
        );
        case.check(&sms());
        let decision = case.check(&sms());
        assert_eq!((decision.refused_with(), decision.changes()), (None, &[][..]));
        let warning = "limit `sender` would have put off this message";
        assert_eq!(decision.noted("throttle.monitor"), Some(warning));
    }

    #[test]
    fn a_message_that_asked_for_a_later_time_keeps_it() {
        let mut case = Case::<Throttle>::new(
            r#"{"limits": [{"name": "sender", "scope": "sender", "kind": "gcra", "quota": 1, "per_s": 1, "burst": 1,
                            "on_limit": "queue"}]}"#,
        );
        case.check(&sms());
        let later = Message { not_before_ms: Some(NOON_MS + 60_000), ..sms() };
        assert_eq!(case.check(&later).changes(), []);
    }
}
