//! What is said, in the words of doors whose members have names of their own.

use message::Fault;
use serde_json::{Value, json};

use super::super::fields::UNKNOWN;
use super::super::json::DUPLICATE;

/// What a door calls the members of `POST /v1/messages`.
pub(super) struct Words {
    /// Those with another name there.
    pub(super) names: &'static [(&'static str, &'static str)],
    /// Those that it has not.
    pub(super) absent: &'static [&'static str],
}

impl Words {
    fn name<'a>(&self, member: &'a str) -> &'a str {
        self.names.iter().find(|(native, _)| *native == member).map_or(member, |(_, own)| own)
    }

    /// A fault: where it is, and what it is.
    pub(super) fn fault(&self, fault: &Fault) -> String {
        // A query has names of its own.
        let said = match fault.code.as_str() {
            "body.bad_filter" => fault.detail.clone(),
            _ => self.said(&fault.detail),
        };
        format!("{} {said}", self.place(fault)).trim_start().to_owned()
    }

    fn place(&self, fault: &Fault) -> String {
        let path = fault.pointer.trim_start_matches('/');
        // As its app wrote it: a member of another door has no name here.
        if matches!(fault.code.as_str(), UNKNOWN | DUPLICATE) {
            return path.replace("~1", "/").replace("~0", "~");
        }
        let (member, below) = path.split_at(path.find('/').unwrap_or(path.len()));
        format!("{}{below}", self.name(member))
    }

    /// What gateway and policies say, so that its advice works at this door: a member that is quoted has its name here,
    /// and one that cannot be given here is said to be of `/v1/messages`.
    pub(super) fn said(&self, detail: &str) -> String {
        let mut said = String::with_capacity(detail.len());
        for (nth, part) in detail.split('`').enumerate() {
            // Every second part stands between two quotes.
            match nth % 2 {
                0 => said.push_str(part),
                _ if self.absent.contains(&part) => {
                    said.push_str(&format!("`{part}` of /v1/messages"))
                }
                _ => said.push_str(&format!("`{}`", self.name(part))),
            }
        }
        said
    }

    pub(super) fn warning(&self, (code, detail): (&str, &str)) -> Value {
        json!({"code": code, "detail": self.said(detail)})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use message::Fault;

    use super::{DUPLICATE, UNKNOWN, Words};
    use crate::gateway::answer::Door;
    use crate::gateway::refusal::Plain;

    #[test]
    fn what_another_request_under_a_key_had_is_named_as_the_door_names_it() {
        let differs = || Plain::KeyMismatch(vec!["from".to_owned(), "text".to_owned()]).into();
        for (door, named) in [
            (Door::Native, "different: `from`, `text`"),
            (Door::Seed, "different: `from` of /v1/messages, `message`"),
            (Door::Plivo, "different: `src`, `text`"),
        ] {
            let answer = door.refuse(&differs());
            let said = String::from_utf8_lossy(&answer.body);
            assert!(said.contains(named), "{door:?}: {said}");
        }
    }

    #[test]
    fn another_door_under_a_key_is_said_and_no_member_of_the_request_is_blamed_for_it() {
        let door_said = "the door, since the first request came by another path";
        for (fields, named, pointers) in [
            (&["operation"][..], format!("different: {door_said}"), json!([])),
            (&["operation", "text"], format!("different: `text`, {door_said}"), json!(["/text"])),
        ] {
            let fields = fields.iter().map(|field| (*field).to_owned()).collect();
            let answer = Door::Native.refuse(&Plain::KeyMismatch(fields).into());
            let body: Value = serde_json::from_slice(&answer.body).expect("a problem");
            assert!(body["detail"].as_str().is_some_and(|said| said.ends_with(&named)), "{body}");
            let errors = body["errors"].as_array().expect("a list").iter();
            let told: Vec<_> = errors.map(|error| error["pointer"].clone()).collect();
            assert_eq!(json!(told), pointers, "{body}");
        }
    }

    #[test]
    fn a_member_of_another_door_is_called_as_it_was_written() {
        let words = Words { names: &[("to", "dst")], absent: &[] };
        for (pointer, code, said) in [
            ("/to", UNKNOWN, "to is none"),
            ("/to", DUPLICATE, "to is none"),
            ("/a~0~1b", UNKNOWN, "a~/b is none"),
            ("/to", "phone.invalid", "dst is none"),
        ] {
            assert_eq!(words.fault(&Fault::new(pointer, code, "is none")), said);
        }
    }

    #[test]
    fn members_are_called_as_the_door_calls_them_and_others_are_said_to_be_of_another_door() {
        let words = Words { names: &[("from", "src")], absent: &["dedup"] };
        for (detail, said) in [
            ("give `from` or `pool`", "give `src` or `pool`"),
            ("send `dedup` as \"off\"", "send `dedup` of /v1/messages as \"off\""),
            ("texts from dedup", "texts from dedup"),
            ("", ""),
        ] {
            assert_eq!(words.said(detail), said);
        }
    }
}
