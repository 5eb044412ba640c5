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

export!(Dedup, cases = "../cases.toml");
