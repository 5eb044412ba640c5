//! Refuses the same content to the same handset within a window.
//!
//! Carriers drop repeats, and people retry: what is meant once is sent once. The first message reserves the content's
//! mark; the host keeps the reservation when the message was, or may have been, sent, and gives it back otherwise.

mod content;
mod settings;

use policy_sdk::{
    Context, Decision, Facts, Message, Policy, PolicyError, Problem, export, reject, state,
};

pub use settings::Settings;

use settings::{Mode, Rules};

/// Reserves what a message says and to whom, for a window.
#[derive(Debug)]
pub struct Dedup(Rules);

impl Policy for Dedup {
    type Settings = Settings;
    const SUMMARY: &'static str = "Refuses the same content to the same handset within a window";
    const BUCKETS: &'static [&'static str] =
        &["one reservation for each content mark, for the window"];

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        settings.check().map(Self)
    }

    fn check(
        &self,
        message: &Message,
        _: &Facts,
        context: &Context,
    ) -> Result<Decision, PolicyError> {
        let rule = self.0.rule(&message.intent);
        if rule.window_ms == 0 || message.dedup == "off" {
            return Ok(Decision::accept());
        }
        let mark = content::mark(&self.0.salt, message, &context.app, rule.fold);
        let Some(holder) = state::reserve(&mark, rule.window_ms)? else {
            return Ok(Decision::accept());
        };
        let refusal = |code: &str, detail: &str| {
            let wait_ms = holder.until_ms.saturating_sub(context.now_ms);
            reject(code, detail).earlier(&holder.by).retry_after_ms(wait_ms).into()
        };
        Ok(match rule.mode {
            Mode::Reject => refusal(
                "dup.content",
                "an earlier message said the same to this handset; wait, change the content, or send `dedup` as \
                 \"off\" \
                 if the repeat is meant",
            ),
            Mode::Coalesce => refusal("dup.coalesced", "an earlier message stands for this one"),
            Mode::Flag => {
                let detail = format!("repeats message {} to this handset", holder.by);
                Decision::accept().warn("dup.flagged", detail)
            }
        })
    }
}

export!(Dedup);

#[cfg(test)]
mod tests {
    use policy_sdk::testing::{Case, sms};
    use policy_sdk::{Decision, Message};

    use super::Dedup;

    /// `sms()` with another id, as a second request has it.
    fn repeat(id: &str) -> Message {
        Message { id: id.into(), ..sms() }
    }

    #[test]
    fn a_repeat_within_the_window_is_refused_and_names_the_first() {
        let mut case = Case::<Dedup>::new("{}");
        assert_eq!(case.at(0).check(&repeat("m1")), Decision::accept());

        let decision = case.at(10).check(&repeat("m2"));

        assert_eq!(decision.refused_with(), Some("dup.content"));
        let rejection = decision.rejection().expect("a rejection");
        assert_eq!(
            (rejection.earlier.as_deref(), rejection.retry_after_ms),
            (Some("m1"), Some(20_000))
        );
    }

    #[test]
    fn a_refused_repeat_does_not_lengthen_the_window() {
        let mut case = Case::<Dedup>::new("{}");
        case.at(0).check(&repeat("m1"));
        case.at(29).check(&repeat("m2"));
        assert_eq!(case.at(30).check(&repeat("m3")), Decision::accept());
    }

    #[test]
    fn what_was_not_sent_does_not_count() {
        let mut case = Case::<Dedup>::new("{}");
        case.at(0).check(&repeat("m1"));
        case.nothing_was_sent();
        assert_eq!(case.at(5).check(&repeat("m2")), Decision::accept());
    }

    #[test]
    fn an_app_that_means_the_repeat_says_so() {
        let mut case = Case::<Dedup>::new("{}");
        case.at(0).check(&repeat("m1"));
        let meant = Message { dedup: "off".into(), ..repeat("m2") };
        assert_eq!(case.at(10).check(&meant), Decision::accept());
    }

    #[test]
    fn marketing_is_coalesced_and_anything_else_refused_by_default() {
        for (intent, code) in [
            ("marketing", "dup.coalesced"),
            ("otp", "dup.content"),
            ("notification", "dup.content"),
            ("something-else", "dup.content"),
        ] {
            let mut case = Case::<Dedup>::new("{}");
            let message = |id| Message { intent: intent.into(), ..repeat(id) };
            case.check(&message("m1"));
            let decision = case.check(&message("m2"));
            assert_eq!(decision.refused_with(), Some(code), "{intent}");
            assert_eq!(decision.rejection().expect("a rejection").earlier.as_deref(), Some("m1"));
        }
    }

    #[test]
    fn flagging_lets_the_repeat_pass_with_a_warning() {
        let mut case = Case::<Dedup>::new(r#"{"mode": "flag"}"#);
        case.check(&repeat("m1"));
        let decision = case.check(&repeat("m2"));
        assert_eq!(decision.refused_with(), None);
        assert_eq!(decision.noted("dup.flagged"), Some("repeats message m1 to this handset"));
    }

    #[test]
    fn a_window_of_zero_is_off() {
        let mut case = Case::<Dedup>::new(r#"{"window_s": 0}"#);
        case.check(&repeat("m1"));
        assert_eq!(case.check(&repeat("m2")), Decision::accept());
    }

    #[test]
    fn an_intent_may_have_a_window_of_its_own() {
        let mut case = Case::<Dedup>::new(r#"{"by_intent": {"otp": {"window_s": 300}}}"#);
        let otp = |id| Message { intent: "otp".into(), ..repeat(id) };
        case.at(0).check(&otp("m1"));
        assert_eq!(case.at(299).check(&otp("m2")).refused_with(), Some("dup.content"));
        assert_eq!(case.at(300).check(&otp("m3")), Decision::accept());
    }
}
