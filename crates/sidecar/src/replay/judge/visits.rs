//! Which of a record's visits count.

use policy_host::Mode;

use super::otherwise::FAILURE;
use crate::decisions::form::{self, Record};

/// Failures that say nothing of the message: the machine was busy, or nobody was asked.
const OF_THE_MOMENT: [&str; 3] = ["deadline", "no_instance", "tripped"];

/// What was heeded, or would have been if it were not in the shadow.
pub(super) fn in_force(record: &Record) -> impl Iterator<Item = &form::Visit> {
    record.visits.iter().filter(|visit| visit.mode != Mode::Candidate.as_str())
}

/// What was heeded, or would have been; not what a policy in the shadow had no time for, or another said in its place.
pub(super) fn comparable(record: &Record) -> impl Iterator<Item = &form::Visit> {
    let had_no_word = |name: &str| {
        let mut own = in_force(record).filter(|visit| visit.policy == name);
        own.any(is_of_the_moment) || had_a_stand_in(record, name)
    };
    in_force(record).filter(move |visit| {
        !visit.again && (visit.mode == Mode::Enforce.as_str() || !had_no_word(&visit.policy))
    })
}

pub(super) fn is_of_the_moment(visit: &form::Visit) -> bool {
    let code = visit.codes.first().map_or("", String::as_str);
    visit.verdict == FAILURE && OF_THE_MOMENT.contains(&code)
}

/// Whether an earlier revision was asked in the place of the policy called `name`.
pub(super) fn had_a_stand_in(record: &Record, name: &str) -> bool {
    record.visits.iter().filter(|visit| is_first(visit, name)).count() > 1
}

pub(super) fn is_first(visit: &form::Visit, name: &str) -> bool {
    !visit.again && visit.mode != Mode::Candidate.as_str() && visit.policy == name
}

/// Whether no later policy amended the message after `visit`.
pub(super) fn is_last(record: &Record, visit: &form::Visit) -> bool {
    let amends = |each: &&form::Visit| {
        each.amended.is_some() && each.mode == Mode::Enforce.as_str() && !each.again
    };
    record.visits.iter().rev().find(amends).is_some_and(|last| std::ptr::eq(last, visit))
}

/// The message as the policy called `name` saw it.
pub(super) fn seen_by<'a>(record: &'a Record, name: &str) -> (&'a form::Message, &'a form::Facts) {
    let before = record.visits.iter().take_while(|visit| !is_first(visit, name));
    let heeded = before.filter(|visit| visit.mode == Mode::Enforce.as_str() && !visit.again);
    let amended = heeded.filter_map(|visit| visit.amended.as_ref()).last();
    amended.map_or((&record.message, &record.facts), |(message, facts)| (message, facts))
}
