//! The books: what apps asked for and were told, and what the sidecar keeps, held against what Plivo has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::app::Standing;

/// One message to one recipient, which no other message has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letter {
    pub(crate) kind: &'static str,
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) media: Vec<String>,
    /// What the apps know it by that were told that it is the sidecar's: its id, or Plivo's.
    pub(crate) told: BTreeSet<String>,
    /// Whether it may be the sidecar's though nobody was told so: an answer was lost, or says how a message ended.
    pub(crate) unsure: bool,
    /// Whether it may never be sent, whatever happens.
    pub(crate) never: bool,
}

/// A message that Plivo has.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) uuid: String,
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) media: Vec<String>,
}

/// Everything that is known at the end.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) letters: Vec<Letter>,
    /// By the sidecar's id.
    pub(crate) records: HashMap<String, Standing>,
    pub(crate) sends: Vec<Sent>,
}

/// What is wrong with one message, and all that there is about it.
pub(crate) type Wrong = (&'static str, String);

impl Books {
    /// Every message that is not accounted for once.
    pub(crate) fn wrong(&self) -> Vec<Wrong> {
        let (mut records, mut sends): (HashMap<_, Vec<_>>, HashMap<_, Vec<_>>) = Default::default();
        for (id, record) in &self.records {
            records
                .entry(digits(record.to.as_deref().unwrap_or_default()))
                .or_default()
                .push((id, record));
        }
        for sent in &self.sends {
            sends.entry(digits(&sent.to)).or_default().push(sent);
        }
        let mut wrong = Vec::new();
        for letter in &self.letters {
            let records = records.remove(digits(&letter.to)).unwrap_or_default();
            let sends = sends.remove(digits(&letter.to)).unwrap_or_default();
            let about =
                || format!("  asked: {letter:?}\n  records: {records:?}\n  at Plivo: {sends:?}");
            wrong.extend(faults(letter, &records, &sends).into_iter().map(|what| (what, about())));
        }
        let strange = "nobody asked for it";
        wrong.extend(records.into_iter().map(|left| (strange, format!("  records: {left:?}"))));
        wrong.extend(sends.into_iter().map(|left| (strange, format!("  at Plivo: {left:?}"))));
        wrong
    }

    /// How many letters there are of each kind, and records of each end.
    pub(crate) fn figures(&self) -> (BTreeMap<&str, usize>, BTreeMap<String, usize>) {
        let (mut kinds, mut ends) = (BTreeMap::new(), BTreeMap::new());
        for letter in &self.letters {
            *kinds.entry(letter.kind).or_default() += 1;
        }
        for record in self.records.values() {
            let code = record.code.as_deref().filter(|_| !record.is_sent());
            let end = code.map_or_else(String::new, |code| format!(" ({code})"));
            *ends.entry(format!("{}{end}", record.status)).or_default() += 1;
        }
        (kinds, ends)
    }
}

fn faults(letter: &Letter, records: &[(&String, &Standing)], sends: &[&Sent]) -> Vec<&'static str> {
    let is_known = |told: &String| {
        records.iter().any(|(id, record)| *id == told || record.uuid.as_ref() == Some(told))
    };
    let at_plivo =
        |record: &Standing| sends.iter().any(|sent| record.uuid.as_ref() == Some(&sent.uuid));
    let count =
        |wanted: fn(&Standing) -> bool| records.iter().filter(|(_, record)| wanted(record)).count();
    // What certainly was not sent stands for nothing: its key was free again.
    let (sent, unknown) = (count(Standing::is_sent), count(Standing::is_unknown));
    let none = records.is_empty() && sends.is_empty();
    let rules = [
        (sends.len() > 1, "it is at Plivo more than once"),
        (count(Standing::is_open) > 0, "it has not come to an end"),
        (sent + unknown > 1, "several records stand for it"),
        (!letter.told.iter().all(is_known), "it was accepted, and has no record"),
        (
            records.iter().any(|(_, record)| record.is_sent() && !at_plivo(record)),
            "it is said to be sent, and Plivo does not have it",
        ),
        (!sends.is_empty() && sent + unknown == 0, "Plivo has it, and no record says so"),
        (
            sends.iter().any(|sent| sent.text != letter.text || sent.media != letter.media),
            "Plivo has it otherwise than it was cleared",
        ),
        (letter.never && !(none && letter.told.is_empty()), "it is never sent, and was taken"),
        (
            !letter.unsure && letter.told.is_empty() && !none,
            "it was refused, and taken all the same",
        ),
    ];
    rules.into_iter().filter(|(broken, _)| *broken).map(|(_, what)| what).collect()
}

/// Plivo writes numbers without their plus.
fn digits(number: &str) -> &str {
    number.trim_start_matches('+')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message that was accepted as `a`, and sent.
    fn sound() -> Books {
        let letter = Letter {
            kind: "keyed",
            to: "+14155550100".to_owned(),
            text: "hello".to_owned(),
            told: BTreeSet::from(["a".to_owned()]),
            ..Letter::default()
        };
        Books {
            letters: vec![letter],
            records: HashMap::from([("a".to_owned(), record("delivered", None, Some("u")))]),
            sends: vec![sent("u")],
        }
    }

    fn record(status: &str, code: Option<&str>, uuid: Option<&str>) -> Standing {
        Standing {
            to: Some("+14155550100".to_owned()),
            status: status.to_owned(),
            code: code.map(str::to_owned),
            uuid: uuid.map(str::to_owned),
        }
    }

    fn sent(uuid: &str) -> Sent {
        let (to, text) = ("14155550100".to_owned(), "hello".to_owned());
        Sent { uuid: uuid.to_owned(), to, text, media: Vec::new() }
    }

    #[track_caller]
    fn says(books: &Books, wanted: &[&str]) {
        let said: Vec<&str> = books.wrong().iter().map(|(what, _)| *what).collect();
        assert_eq!(said, wanted);
    }

    #[test]
    fn books_in_order_find_nothing() {
        says(&sound(), &[]);
        // Given up, so that its key was free; then sent.
        let mut again = sound();
        again.records.insert("b".to_owned(), record("failed", Some("upstream.rejected"), None));
        says(&again, &[]);
        let mut unknown = sound();
        unknown.records.insert("a".to_owned(), record("failed", Some("send.unresolved"), None));
        says(&unknown, &[]);
        unknown.sends.clear();
        says(&unknown, &[]);
    }

    #[test]
    fn a_doubled_message_is_found_and_shown() {
        let mut books = sound();
        books.sends.push(sent("v"));
        says(&books, &["it is at Plivo more than once"]);
        let (_, shown) = &books.wrong()[0];
        assert!(shown.contains("hello") && shown.contains(r#"uuid: "v""#), "{shown}");
        books.records.insert("b".to_owned(), record("submitted", None, Some("v")));
        says(&books, &["it is at Plivo more than once", "several records stand for it"]);
    }

    #[test]
    fn a_lost_message_is_found() {
        let mut books = sound();
        books.sends.clear();
        says(&books, &["it is said to be sent, and Plivo does not have it"]);
        books.records.clear();
        says(&books, &["it was accepted, and has no record"]);
        let mut open = sound();
        open.sends.clear();
        open.records.insert("a".to_owned(), record("waiting", None, None));
        says(&open, &["it has not come to an end"]);
    }

    #[test]
    fn what_nobody_was_told_of_what_was_refused_and_what_changed_is_found() {
        let mut books = sound();
        books.records.insert("a".to_owned(), record("failed", Some("upstream.rejected"), None));
        says(&books, &["Plivo has it, and no record says so"]);
        let mut books = sound();
        books.letters[0].told.clear();
        says(&books, &["it was refused, and taken all the same"]);
        books.letters[0].unsure = true;
        says(&books, &[]);
        books.letters[0].never = true;
        says(&books, &["it is never sent, and was taken"]);
        let mut books = sound();
        books.sends[0].text = "hallo".to_owned();
        says(&books, &["Plivo has it otherwise than it was cleared"]);
        books.letters.clear();
        says(&books, &["nobody asked for it", "nobody asked for it"]);
    }
}
