//! A second look taken again: the policies that want it, asked in a dry run about the message as it was cleared.

use policy_host::SecondLook;

use super::otherwise::{own_words, word_transition};
use super::{Judge, Now, Outcome, Transition, candidate};
use crate::decisions::end_of_look;
use crate::decisions::form::Record;

/// Tells what came of a second look from what was decided at the acceptance.
const SECOND_LOOK: &str = "second look: ";

impl Judge {
    pub(super) async fn compared_late(
        &self,
        record: &Record,
        with_notes: bool,
    ) -> Result<(Outcome, bool), String> {
        let chain = match self {
            Self::Chain { chain, .. } => chain,
            Self::Policy { chain, .. } => chain,
        };
        // Each is asked about the message as it was cleared, whatever others make of it.
        let candidate = candidate(record, (&record.message, &record.facts))?;
        let message = candidate.message.clone();
        let (look, decisions) = chain.ask_late(candidate).await;
        let end = end_of_look(&look);
        let now = Now { decisions: &decisions, end, message: &message };
        let transition = match self {
            Self::Chain { .. } if record.end != now.end => {
                Some(Transition::of_looks(&record.end, &now.end))
            }
            Self::Chain { .. } => word_transition(record, &now, with_notes),
            Self::Policy { name, .. } => own_transition(record, name, (&now, &look), with_notes),
        };
        let is_untold = !record.not_whole.is_empty() && self.blames_the_log(record, &now);
        let outcome = match transition {
            None => Outcome::Alike,
            Some(_) if is_untold => Outcome::Untold,
            Some(transition) => {
                let from = format!("{SECOND_LOOK}{}", transition.from);
                Outcome::Changed(Transition { from, ..transition })
            }
        };
        Ok((outcome, now.is_out_of_time()))
    }
}

/// What is otherwise by the word of the policy called `name`, which is asked alone.
fn own_transition(
    record: &Record,
    name: &str,
    (now, look): (&Now<'_>, &SecondLook),
    with_notes: bool,
) -> Option<Transition> {
    let (visit, then, mut word) = own_words(record, name, now, with_notes)?;
    // Of what it makes of the message the instant alone is heeded.
    let amended = visit.amended.as_ref().and_then(|(message, _)| message.not_before_ms);
    let put_off = match look {
        SecondLook::PutOff { until, .. } => Some(until.0),
        _ => None,
    };
    word.otherwise = then == word && amended.filter(|until| *until > record.at_ms) != put_off;
    (then != word).then(|| Transition::of_policy(name, &then, &word))
}
