//! What a query asks for.

use message::{E164, MessageId};
use store::{Filter, Status};

use super::Refusal;
use crate::query::repeated_of;
use crate::whole::whole;

/// Most messages of one page.
const PAGE: usize = 100;
/// Most events of one answer.
const EVENTS: u32 = 1_000;

/// Which messages, and how they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) filter: Filter,
    /// Numbers whole, and contents.
    pub(super) full: bool,
}

/// Which events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WantedEvents {
    pub(super) app: Option<String>,
    pub(super) limit: u32,
}

impl Wanted {
    /// # Errors
    ///
    /// Every fault of the query at once.
    pub(super) fn read(query: &[(String, String)]) -> Result<Self, Refusal> {
        let filter = Filter { limit: PAGE, ..Filter::default() };
        let (mut wanted, mut faults) = (Self { filter, full: false }, twice(query));
        for (name, value) in query {
            match name.as_str() {
                "app" => wanted.filter.app = Some(value.clone()),
                "status" => match Status::from_word(value) {
                    Some(status) => wanted.filter.status = Some(status),
                    None => faults.push(no_status()),
                },
                // A plus sign that was not written as %2B arrives as a space.
                "to" => match E164::parse(&value.replacen(' ', "+", 1), "") {
                    Ok(to) => wanted.filter.to = Some(to),
                    Err(fault) => faults.push(format!("`to` {}", fault.detail)),
                },
                "after" => wanted.filter.after = Some(MessageId::named(value)),
                "limit" => match whole(value) {
                    Some(limit @ 1..=PAGE) => wanted.filter.limit = limit,
                    _ => faults.push(format!("`limit` is not a number from 1 to {PAGE}")),
                },
                "numbers" => numbers(value, &mut wanted.full, &mut faults),
                _ => faults.push(strange(name, "app, status, to, after, limit, numbers")),
            }
        }
        if faults.is_empty() { Ok(wanted) } else { Err(Refusal::Query(faults)) }
    }

    /// The same of a query about one message, which says no more than how it is shown.
    ///
    /// # Errors
    ///
    /// Every fault of the query at once.
    pub(super) fn read_full(query: &[(String, String)]) -> Result<bool, Refusal> {
        let (mut full, mut faults) = (false, twice(query));
        for (name, value) in query {
            match name.as_str() {
                "numbers" => numbers(value, &mut full, &mut faults),
                _ => faults.push(strange(name, "numbers")),
            }
        }
        if faults.is_empty() { Ok(full) } else { Err(Refusal::Query(faults)) }
    }
}

impl WantedEvents {
    /// # Errors
    ///
    /// Every fault of the query at once.
    pub(super) fn read(query: &[(String, String)]) -> Result<Self, Refusal> {
        let (mut wanted, mut faults) = (Self { app: None, limit: EVENTS }, twice(query));
        for (name, value) in query {
            match name.as_str() {
                "app" => wanted.app = Some(value.clone()),
                "limit" => match whole(value) {
                    Some(limit @ 1..=EVENTS) => wanted.limit = limit,
                    _ => faults.push(format!("`limit` is not a number from 1 to {EVENTS}")),
                },
                _ => faults.push(strange(name, "app, limit")),
            }
        }
        if faults.is_empty() { Ok(wanted) } else { Err(Refusal::Query(faults)) }
    }
}

/// The app whose events are to be revived.
///
/// # Errors
///
/// Every fault of the query at once.
pub(super) fn wanted_app(query: &[(String, String)]) -> Result<String, Refusal> {
    let (mut wanted, mut faults) = (None, twice(query));
    for (name, value) in query {
        match name.as_str() {
            "app" => wanted = Some(value.clone()),
            _ => faults.push(strange(name, "app")),
        }
    }
    if wanted.is_none() {
        faults.push("`app` is missing".into());
    }
    wanted.filter(|_| faults.is_empty()).ok_or(Refusal::Query(faults))
}

/// Of what takes no parameter: one that is heeded by nobody must not look as if it were.
///
/// # Errors
///
/// There are some.
pub(super) fn no_query(query: &[(String, String)]) -> Result<(), Refusal> {
    let faults: Vec<String> = query.iter().map(|(name, _)| strange(name, "none")).collect();
    if faults.is_empty() { Ok(()) } else { Err(Refusal::Query(faults)) }
}

/// The generation that a rollback is to return to, where its query names one.
///
/// # Errors
///
/// Every fault of the query at once.
pub(super) fn wanted_generation(query: &[(String, String)]) -> Result<Option<u64>, Refusal> {
    let (mut wanted, mut faults) = (None, twice(query));
    for (name, value) in query {
        match (name.as_str(), whole(value)) {
            ("to", Some(generation)) => wanted = Some(generation),
            ("to", None) => faults.push("`to` is not a generation's number".to_owned()),
            _ => faults.push(strange(name, "to")),
        }
    }
    if faults.is_empty() { Ok(wanted) } else { Err(Refusal::Query(faults)) }
}

fn numbers(value: &str, full: &mut bool, faults: &mut Vec<String>) {
    match value {
        "full" => *full = true,
        "masked" => *full = false,
        _ => faults.push("`numbers` is neither full nor masked".into()),
    }
}

fn no_status() -> String {
    let words: Vec<&str> = Status::ALL.into_iter().map(Status::as_str).collect();
    format!("`status` is none of {}", words.join(", "))
}

/// A fault for each parameter that stands more than once.
pub(super) fn twice(query: &[(String, String)]) -> Vec<String> {
    let again = repeated_of(query.iter().map(|(name, _)| name));
    again.iter().map(|name| format!("{} stands more than once", named(name))).collect()
}

/// A name that was made up may hold anything, so it is not repeated beyond its letters.
pub(super) fn strange(name: &str, known: &str) -> String {
    format!("{} means nothing here; use {known}", named(name))
}

fn named(name: &str) -> String {
    match &*letters(name) {
        "" => "a parameter without letters in its name".to_owned(),
        letters => format!("`{letters}`"),
    }
}

fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphabetic).take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Wanted, Refusal> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Wanted::read(&pairs.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn every_filter_is_taken_and_a_bare_plus_sign_too() {
        let wanted = read(&[
            ("app", "billing"),
            ("status", "held"),
            ("to", " 14155550123"),
            ("after", "01a2"),
            ("limit", "7"),
            ("numbers", "full"),
        ])
        .unwrap();
        let filter = Filter {
            app: Some("billing".into()),
            status: Some(Status::Held),
            simple: None,
            to: E164::parse("+14155550123", "").ok(),
            after: Some(MessageId("01a2".into())),
            limit: 7,
        };
        assert_eq!(wanted, Wanted { filter, full: true });
    }

    #[test]
    fn every_fault_is_told_at_once_and_no_number_is_repeated() {
        let refused = read(&[
            ("status", "lost"),
            ("to", "4155550199"),
            ("limit", "0"),
            ("numbers", "all"),
            ("limit", "1"),
            ("too", "+14155550199"),
            ("+14155550199", ""),
        ]);
        let Err(Refusal::Query(faults)) = refused else { panic!("{refused:?}") };
        assert_eq!(faults.len(), 7, "{faults:#?}");
        assert!(!faults.concat().contains("4155550199"), "{faults:#?}");
    }
}
