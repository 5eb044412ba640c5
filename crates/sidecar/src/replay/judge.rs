//! One record decided again, and what is otherwise by that.

mod late;
mod otherwise;
mod outcome;
mod visits;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use message::{Settlement, Timestamp};
use policy_host::{
    Candidate, Cleared, Decision, Mode, NotCleared, NotClearedKind, Policy, PolicyChain, StateCall,
    Verdict,
};
use store::MemoryLedger;

use super::tape::Tape;
use crate::decisions::form::{self, Record};
use crate::decisions::{read, written};

use self::otherwise::{FAILURE, Verdicts, chain_transition, policy_transition, verdicts_of};
use self::visits::{
    comparable, had_a_stand_in, in_force, is_first, is_last, is_of_the_moment, seen_by,
};

pub(super) use self::otherwise::Transition;
pub(super) use self::outcome::{Judged, Outcome, Why};

/// Doors that a message can have come through.
const DOORS: [&str; 3] = ["messages", "mms-send", "plivo"];
pub(super) const OUT_OF_TIME: &str = "deadline";

/// What decides again.
#[derive(Debug)]
pub(super) enum Judge {
    /// A whole chain, and the names of its policies that are as the log has them.
    Chain { chain: Arc<PolicyChain>, as_recorded: HashSet<String> },
    /// One policy of this name, in a chain of its own; the grants of the one that it is to replace.
    Policy { name: String, chain: PolicyChain, asked_again: bool, as_recorded: bool },
}

/// How a record came out this time.
struct Now<'a> {
    decisions: &'a [Decision],
    end: form::End,
    /// The message as it would be sent.
    message: &'a message::Message,
}

impl Judge {
    /// Decides `record` again. `memory` answers what the log does not say; without one such a record is only marked.
    pub(super) async fn decide(
        &self,
        record: &Record,
        memory: Option<&Arc<MemoryLedger>>,
        with_notes: bool,
    ) -> Judged {
        let why = self.not_comparable(record);
        match why {
            // A second look takes nothing that later guesses would rest on.
            Some(why) if memory.is_none() || why == Why::NotAsked || record.is_second_look => {
                return Judged::not(why);
            }
            _ => {}
        }
        let asked = self.ask(record, memory, with_notes, why).await;
        match why {
            // Asked for what it leaves in the memory: later guesses rest on it.
            Some(why) => Judged::not(why),
            None => asked.unwrap_or_else(|what| Judged {
                outcome: Outcome::Unfit(what),
                guessed: false,
                out_of_time: false,
            }),
        }
    }

    fn not_comparable(&self, record: &Record) -> Option<Why> {
        // Of a chain those count that were heeded; of one policy its own word, heeded or not.
        let counts = |visit: &&form::Visit| match self {
            Self::Chain { .. } => visit.mode == Mode::Enforce.as_str(),
            Self::Policy { name, .. } => visit.policy == *name,
        };
        let visits: Vec<_> = in_force(record).filter(counts).collect();
        if matches!(self, Self::Policy { .. }) && !visits.iter().any(|visit| !visit.again) {
            return Some(Why::NotAsked);
        }
        if visits.iter().any(|visit| is_of_the_moment(visit)) {
            return Some(Why::OfTheMoment);
        }
        visits.iter().any(|visit| had_a_stand_in(record, &visit.policy)).then_some(Why::StoodIn)
    }

    async fn ask(
        &self,
        record: &Record,
        memory: Option<&Arc<MemoryLedger>>,
        with_notes: bool,
        why_not: Option<Why>,
    ) -> Result<Judged, String> {
        let mut calls: HashMap<String, Vec<StateCall>> = HashMap::new();
        for visit in in_force(record) {
            let own = calls.entry(visit.policy.clone()).or_default();
            for call in &visit.calls {
                own.push(read::call(call.clone())?);
            }
        }
        let without_keys = record.not_whole.iter().any(|part| part == "state");
        let tape = Tape::new(calls, without_keys, memory.cloned());
        let compared = tape.play(self.compared(record, with_notes, why_not)).await?;
        let (outcome, out_of_time) = compared;
        Ok(Judged { outcome, guessed: tape.guessed(), out_of_time })
    }

    async fn compared(
        &self,
        record: &Record,
        with_notes: bool,
        why_not: Option<Why>,
    ) -> Result<(Outcome, bool), String> {
        if record.is_second_look {
            return self.compared_late(record, with_notes).await;
        }
        let (chain, seen) = match self {
            Self::Chain { chain, .. } => (&**chain, (&record.message, &record.facts)),
            Self::Policy { name, chain, .. } => (chain, seen_by(record, name)),
        };
        // Whoever had no time then would only lose it again, and says nothing that is compared.
        let is_left_out = |policy: &Policy| {
            let had_no_time = |visit: &form::Visit| {
                visit.policy == policy.name().as_str() && is_of_the_moment(visit)
            };
            (why_not.is_some() || policy.mode() == Mode::Shadow)
                && in_force(record).any(had_no_time)
        };
        let lesser = chain.policies().iter().any(|policy| is_left_out(policy));
        let lesser = lesser.then(|| chain.without(is_left_out));
        let cleared = lesser.as_ref().unwrap_or(chain).clear(candidate(record, seen)?).await;
        let now = match &cleared {
            Ok(cleared) => Now::of_cleared(cleared),
            Err(not) => Now::of_not_cleared(not),
        };
        let mut transition = match self {
            Self::Chain { .. } => chain_transition(record, &now, with_notes),
            Self::Policy { name, .. } => policy_transition(record, name, &now, with_notes),
        };
        let out_of_time = now.is_out_of_time();
        let is_untold = !record.not_whole.is_empty() && self.blames_the_log(record, &now);
        if let Ok(cleared) = cleared {
            // The log does not say whether it was sent; most are. Of a failure that is not compared it does.
            let was_sent = why_not.is_none() || record.end.verdict != FAILURE;
            let settlement = if was_sent { Settlement::Keep } else { Settlement::GiveBack };
            drop(cleared.settle(settlement).await);
            if transition.is_none() {
                transition = self.again(record).await?;
            }
        }
        let outcome = match transition {
            None => Outcome::Alike,
            Some(_) if is_untold => Outcome::Untold,
            Some(transition) => Outcome::Changed(transition),
        };
        Ok((outcome, out_of_time))
    }

    /// Whether what is otherwise comes of policies alone that are as they were.
    fn blames_the_log(&self, record: &Record, now: &Now<'_>) -> bool {
        let as_recorded = match self {
            Self::Policy { as_recorded, .. } => return *as_recorded,
            Self::Chain { as_recorded, .. } => as_recorded,
        };
        // A policy in the shadow that only one of the two had has changed nothing.
        let is_there = |visit: &&form::Visit| {
            let mut names = now.decisions.iter().map(|each| each.policy.as_str());
            visit.mode == Mode::Enforce.as_str() || names.any(|name| name == visit.policy)
        };
        let then: Vec<_> = comparable(record).filter(is_there).collect();
        let is_as_recorded = |name: &str| as_recorded.contains(name);
        let is_heard = |each: &&Decision| {
            let is_compared = || then.iter().any(|visit| visit.policy == each.policy.as_str());
            each.mode == Mode::Enforce || is_compared()
        };
        let decisions: Vec<_> = now.decisions.iter().filter(is_heard).collect();
        let mut seen = HashSet::new();
        let firsts = decisions.iter().filter(|each| seen.insert(each.policy.as_str()));
        for (nth, decision) in firsts.enumerate() {
            if !is_as_recorded(decision.policy.as_str()) {
                // What it says, and what it makes of the message, is another's word.
                let visit = then.get(nth).filter(|visit| visit.policy == decision.policy.as_str());
                let is_alike = visit.is_some_and(|visit| {
                    visit.verdict == decision.verdict.as_str()
                        && visit.codes == decision.verdict.codes()
                });
                if !is_alike || decision.verdict.as_str() == "amend" {
                    return false;
                }
                continue;
            }
            let Some(visit) = then.get(nth) else { return false };
            if visit.policy != decision.policy.as_str() {
                return false;
            }
            if visit.verdict != decision.verdict.as_str() || visit.codes != decision.verdict.codes()
            {
                return true;
            }
        }
        // The same words: what is otherwise comes of a second look, or of a policy that is not there any more.
        let mut names = decisions.iter().map(|each| each.policy.as_str());
        then.iter().all(|visit| is_as_recorded(&visit.policy)) && names.all(is_as_recorded)
    }

    /// What the policy says of what later ones made of the message, where it is asked again.
    async fn again(&self, record: &Record) -> Result<Option<Transition>, String> {
        let Self::Policy { name, chain, asked_again: true, .. } = self else { return Ok(None) };
        let own = record.visits.iter().position(|visit| is_first(visit, name));
        let later = record.visits.iter().skip(own.map_or(usize::MAX, |own| own + 1));
        let then = record.visits.iter().find(|visit| visit.again && visit.policy == *name);
        let then = then.map_or_else(Verdicts::passed, Verdicts::of_visit);
        for visit in later.filter(|visit| visit.mode == Mode::Enforce.as_str()) {
            let Some((message, facts)) = &visit.amended else { continue };
            let explained = chain.explain(candidate(record, (message, facts))?).await;
            let now = match explained.stopped {
                None => Verdicts::passed(),
                Some(_) => verdicts_of(&explained.trail.decisions, name, false),
            };
            if now != then && (now.ends() || is_last(record, visit)) {
                return Ok(Some(Transition::of_policy(name, &then, &now)));
            }
            if now.ends() {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

impl<'a> Now<'a> {
    fn of_cleared(cleared: &'a Cleared) -> Self {
        let decisions = cleared.decisions();
        Self { decisions, end: written::end(None), message: cleared.message() }
    }

    fn of_not_cleared(not: &'a NotCleared) -> Self {
        let verdict = match &not.kind {
            NotClearedKind::Rejected(rejection) => Verdict::Rejected(rejection.clone()),
            NotClearedKind::Failed(failure) => {
                Verdict::Failed { kind: failure.as_str(), detail: String::new() }
            }
        };
        let end = written::end(Some((not.policy.as_str(), &verdict)));
        Self { decisions: &not.trail.decisions, end, message: &not.message }
    }

    fn is_out_of_time(&self) -> bool {
        let is_late = |decision: &Decision| matches!(decision.verdict, Verdict::Failed { kind, .. } if kind == OUT_OF_TIME);
        self.decisions.iter().any(is_late)
    }
}

fn candidate(
    record: &Record,
    (message, facts): (&form::Message, &form::Facts),
) -> Result<Candidate, String> {
    let door = DOORS.into_iter().find(|door| *door == record.door);
    Ok(Candidate {
        message: read::message(&record.id, message)?,
        facts: read::facts(facts)?,
        app: record.app.as_str().into(),
        account: record.account.as_str().into(),
        door: door.ok_or_else(|| format!("/door: `{}` is no door", record.door))?,
        now: Timestamp(record.at_ms),
    })
}

fn is(record: &Record, written: &form::Message, message: &message::Message) -> bool {
    read::message(&record.id, written).is_ok_and(|written| written == *message)
}
