//! Trouble that lasts until it is ended.

use serde_json::Value;

use crate::Step;

/// What every request meets until the outage ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Outage {
    /// Connections are refused.
    Refuse,
    /// Every request is answered as by this step, whoever sends it and whatever it asks for. Sends with good
    /// credentials are queued or not as the step says.
    Step(Box<Step>),
}

impl Outage {
    /// Reads `{"refuse":true}` or a step; the error says what is wrong.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        let value: Value =
            serde_json::from_slice(body).map_err(|err| format!("not JSON: {err}"))?;
        if let Some(refuse) = value.get("refuse") {
            let alone = value.as_object().is_some_and(|members| members.len() == 1);
            return if *refuse == Value::Bool(true) && alone {
                Ok(Self::Refuse)
            } else {
                Err("`refuse` is true and stands alone, or is not there".to_owned())
            };
        }
        let step = Step::read(value)?;
        step.check().map_err(|err| err.to_string())?;
        if step.refuse_connections_ms.is_some() {
            return Err("`refuse_connections_ms` ends by itself; give `refuse`".to_owned());
        }
        Ok(Self::Step(Box::new(step)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_a_refusal_or_a_step() {
        assert_eq!(Outage::read(br#"{"refuse":true}"#), Ok(Outage::Refuse));
        let step = Outage::Step(Box::new(Step::status(503)));
        assert_eq!(Outage::read(br#"{"status":503}"#), Ok(step));
    }

    #[test]
    fn what_is_neither_is_refused_in_words() {
        for (body, word) in [
            (r#"{"refuse":false}"#, "refuse"),
            (r#"{"refuse":true,"status":503}"#, "alone"),
            (r#"{"stat":503}"#, "stat"),
            (r#"{"status":99}"#, "99"),
            (r#"{"refuse_connections_ms":5}"#, "ends by itself"),
            ("{", "JSON"),
        ] {
            let err = Outage::read(body.as_bytes()).unwrap_err();
            assert!(err.contains(word), "{body}: {err}");
        }
    }
}
