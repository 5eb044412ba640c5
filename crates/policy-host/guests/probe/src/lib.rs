//! A guest that calls every import and tells what it heard, so that the host's side can be seen from the guest's.
//!
//! The message's text is one call, such as `put key value 1000`; the answer is the note `probe.answer`. The note
//! `probe.calls` counts the decisions of this instance. It exports every optional interface and logs its panics.

mod call;

use std::cell::Cell;

use policy_sdk::{
    Context, Decision, Facts, Inbound, InboundMessage, Message, Note, Outcomes, Policy,
    PolicyError, Problem, Receipt, Receipts, Reports, export, state,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// How long it remembers what it was told, in milliseconds.
const MEMORY_MS: u64 = 3_600_000;

/// It has none.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {}

/// Counts its decisions.
#[derive(Debug, Default)]
pub struct Probe {
    calls: Cell<u32>,
}

impl Policy for Probe {
    type Settings = Settings;
    const SUMMARY: &'static str = "A guest that calls every import and tells what it heard";
    const BUCKETS: &'static [&'static str] = &["whatever a message asks for"];

    fn configure(_: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self::default())
    }

    fn check(&self, message: &Message, _: &Facts, _: &Context) -> Result<Decision, PolicyError> {
        self.calls.set(self.calls.get() + 1);
        let words: Vec<&str> = message.text.split_whitespace().collect();
        let answer = call::make(&words)?;
        Ok(Decision::accept()
            .note("probe.answer", answer)
            .note("probe.calls", self.calls.get().to_string()))
    }
}

impl Outcomes for Probe {
    /// Keeps the outcome where `told ID` finds it. There is nobody here to give an error to.
    fn on_outcome(&self, id: &str, outcome: &str, _: &Context) {
        let _ = state::put(&call::told(id), outcome.as_bytes(), MEMORY_MS, false);
    }
}

impl Reports for Probe {
    fn on_delivery_report(&self, id: &str, state: &str, error_code: &str, _: &Context) {
        let report = format!("{state} {error_code}");
        let _ = state::put(&call::told(id), report.trim_end().as_bytes(), MEMORY_MS, false);
    }
}

impl Receipts for Probe {
    /// Kept where `told receipt-ID` finds it.
    fn on_receipt(&self, receipt: &Receipt, _: &Context) -> Result<(), PolicyError> {
        let Receipt {
            id, to, sender, region, intent, state, error_code, units, total_rate, ..
        } = receipt;
        let sender = &sender.value;
        let said =
            format!("{to} {sender} {region} {intent} {state} {error_code} {units:?} {total_rate}");
        let key = call::told(&format!("receipt-{id}"));
        state::put(&key, said.as_bytes(), MEMORY_MS, false)?;
        Ok(())
    }
}

impl Inbound for Probe {
    /// Makes the call that the text names, and tells what it heard.
    fn on_inbound(
        &self,
        message: &InboundMessage,
        context: &Context,
    ) -> Result<Vec<Note>, PolicyError> {
        let words: Vec<&str> = message.text.split_whitespace().collect();
        if words == ["fail"] {
            return Err(PolicyError::new("as-told", "as the message asks"));
        }
        let answer = call::make(&words)?;
        let said = format!("{answer}; to {}; by {:?}", message.to, context.app);
        Ok(vec![Note::shown("probe.heard", said)])
    }
}

export!(Probe, outcomes, reports, receipts, inbound, log_panics);

#[cfg(test)]
mod tests {
    use policy_sdk::testing::{Case, receipt, sms};
    use policy_sdk::{Message, Outcomes, Policy, Receipt, Reports};

    use super::{Probe, Settings};

    #[test]
    fn it_remembers_what_it_was_told_of_a_message() {
        let mut case = Case::<Probe>::new("{}");
        let probe = Probe::configure(Settings {}).expect("a probe");
        let asked = Message { text: "told m7".into(), ..sms() };
        case.check(&sms());

        probe.on_outcome("m7", "accepted", &case.context);
        assert_eq!(case.check(&asked).noted("probe.answer"), Some("accepted"));

        probe.on_delivery_report("m7", "undelivered", "200", &case.context);
        assert_eq!(case.check(&asked).noted("probe.answer"), Some("undelivered 200"));

        case.tell(&Receipt { id: "m7".into(), ..receipt() });
        let asked = Message { text: "told receipt-m7".into(), ..sms() };
        let said = "+14155550123 +14155551212 US  delivered  Some(1) 0.00500";
        assert_eq!(case.check(&asked).noted("probe.answer"), Some(said));
    }

    #[test]
    fn it_does_what_a_handset_tells_it() {
        let mut case = Case::<Probe>::new("{}");
        let heard = case.hear("+14155550123", "12345", "put k v 1000");
        assert_eq!(heard[0].value, "true; to 12345; by \"app\"");
    }

    #[test]
    fn it_counts_the_decisions_of_one_instance() {
        let mut case = Case::<Probe>::new("{}");
        case.check(&sms());
        assert_eq!(case.check(&sms()).noted("probe.calls"), Some("2"));
    }
}
