//! Refuses or mends what no handset would take.
//!
//! The rules are those of the `message` crate, which the gateway goes by too; here the operator sets their bounds, and
//! they hold again for what an earlier policy changed.

mod faults;
mod settings;
mod vocabulary;

use message::facts::MOST_UNKNOWN_FIELDS;
use message::{Segments, smart_encoding};
use policy_sdk::{
    Change, Context, Decision, Facts, Kind, Message, Policy, PolicyError, Problem, export, reject,
};

pub use settings::Settings;

use settings::{Rules, SmartEncoding, UnknownFields};

/// Fields named in a warning or a refusal about unknown ones; the app chose how many there are.
const NAMED_FIELDS: usize = 16;

/// Finds every fault at once.
#[derive(Debug)]
pub struct Validation(Rules);

impl Policy for Validation {
    type Settings = Settings;
    const SUMMARY: &'static str = "Refuses or mends what no handset would take";

    fn configure(settings: Settings) -> Result<Self, Vec<Problem>> {
        settings.check().map(Self)
    }

    fn check(
        &self,
        message: &Message,
        facts: &Facts,
        context: &Context,
    ) -> Result<Decision, PolicyError> {
        let faults = faults::find(&self.0, message, facts, context);
        if let Some(first) = faults.first() {
            let detail = match faults.len() {
                1 => first.detail.clone(),
                count if facts.unknown_fields.len() >= MOST_UNKNOWN_FIELDS => {
                    format!("the message has at least {count} faults")
                }
                count => format!("the message has {count} faults"),
            };
            let refusal = reject(&first.code, detail);
            return Ok(faults
                .into_iter()
                .fold(refusal, |refusal, fault| refusal.fault(fault))
                .into());
        }
        let decision = self.mended(message, facts);
        Ok(match self.0.unknown_fields {
            UnknownFields::Strip if !facts.unknown_fields.is_empty() => {
                decision.warn("body.unknown_field_dropped", dropped(&facts.unknown_fields))
            }
            _ => decision,
        })
    }
}

impl Validation {
    /// What becomes of a text that typography alone forces into UCS-2.
    fn mended(&self, message: &Message, facts: &Facts) -> Decision {
        if self.0.smart_encoding == SmartEncoding::Off {
            return Decision::accept();
        }
        let Some(plain) = smart_encoding(&message.text) else { return Decision::accept() };
        let segments = Segments::of(&plain).count;
        if self.0.smart_encoding == SmartEncoding::Apply {
            let detail =
                "typographic characters became plain ones, so that the text fits GSM 03.38";
            return Change::new("text.transliterated", detail).set_text(plain).into();
        }
        // An MMS costs the same either way.
        if message.kind == Kind::Mms || segments >= facts.text.segments {
            return Decision::accept();
        }
        let detail = format!(
            "typographic characters make this text {} segments; with plain ones it would be {segments}",
            facts.text.segments
        );
        Decision::accept().warn("text.could_be_shorter", detail)
    }
}

export!(Validation, cases = "../cases.toml");

fn dropped(pointers: &[String]) -> String {
    let named: Vec<&str> = pointers.iter().take(NAMED_FIELDS).map(String::as_str).collect();
    let more = pointers.len().saturating_sub(NAMED_FIELDS);
    let more = match more {
        0 => String::new(),
        // Of further ones nobody is told.
        _ if pointers.len() >= MOST_UNKNOWN_FIELDS => format!(" and at least {more} more"),
        _ => format!(" and {more} more"),
    };
    format!("fields that mean nothing here were dropped: {}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use policy_sdk::Facts;
    use policy_sdk::testing::{Case, facts, sms};

    use super::Validation;

    fn with_unknown(fields: &[&str]) -> Facts {
        let unknown_fields = fields.iter().map(|&field| field.into()).collect();
        Facts { unknown_fields, ..facts(&sms()) }
    }

    #[test]
    fn a_warning_names_at_most_sixteen_fields() {
        let fields: Vec<String> = (0..20).map(|index| format!("/f{index}")).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let decision = Case::<Validation>::new("{}").check_with(&sms(), &with_unknown(&fields));
        let value = decision.noted("body.unknown_field_dropped").expect("a warning");
        assert!(value.ends_with("/f14, /f15 and 4 more"), "{value}");

        let most = vec!["/f"; 1_000];
        let decision = Case::<Validation>::new("{}").check_with(&sms(), &with_unknown(&most));
        let value = decision.noted("body.unknown_field_dropped").expect("a warning");
        assert!(value.ends_with("/f and at least 984 more"), "{value}");
    }

    #[test]
    fn an_unknown_field_whose_name_is_too_long_to_show_is_refused_all_the_same() {
        let mut case = Case::<Validation>::new(r#"{"unknown_fields": "deny"}"#);
        let decision = case.check_with(&sms(), &with_unknown(&[&format!("/{}", "n".repeat(256))]));
        let fault = &decision.rejection().expect("a rejection").faults[0];
        assert_eq!((fault.pointer.as_str(), fault.code.as_str()), ("", "body.unknown_field"));
        assert!(fault.detail.starts_with("a member whose name is too long"), "{}", fault.detail);
    }
}
