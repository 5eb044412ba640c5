//! What the code of a problem means: the table of README.md, which is the only one, as `GET /problems/{code}` tells it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::StatusCode;
use serde_json::json;

use super::answer::{Answer, problem_type};
use super::refusal::{Plain, Refusal};

const README: &str = include_str!("../../../../README.md");
/// The section that has the table.
const SECTION: &str = "\n## Statuses and codes\n";
/// Stands in the table for whatever a limit is called.
const ANY_LIMIT: &str = "throttle.NAME";

/// One row of the table, about one of its codes.
struct Meaning {
    /// None of what stands in records only.
    status: Option<StatusCode>,
    /// All codes that the row is about, in the order of what it says of them.
    codes: Vec<&'static str>,
    text: &'static str,
}

static TABLE: LazyLock<BTreeMap<&'static str, Meaning>> = LazyLock::new(|| {
    let section = README.split_once(SECTION).map_or("", |(_, rest)| rest);
    let section = section.split("\n## ").next().unwrap_or_default();
    section.lines().filter_map(row).flatten().collect()
});

/// Whether [`told`] has something to say of `code`.
pub(super) fn is_told(code: &str) -> bool {
    meaning(code).is_some()
}

/// `code` itself, where the table has it.
pub(super) fn known(code: &str) -> Option<&'static str> {
    TABLE.get_key_value(code).map(|(code, _)| *code)
}

fn meaning(code: &str) -> Option<&'static Meaning> {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    let name = code.strip_prefix("throttle.");
    let is_limit = name.is_some_and(|name| !name.is_empty() && name.bytes().all(fits));
    TABLE.get(code).or_else(|| TABLE.get(ANY_LIMIT).filter(|_| is_limit))
}

/// `GET /problems/{code}`
pub(super) fn told(code: &str) -> Result<Answer, Refusal> {
    let meaning = meaning(code).ok_or(Plain::NotFound)?;
    let status = meaning.status.map(|status| status.as_u16());
    let body = json!({
        "code": code,
        "type": problem_type(code, meaning.status.unwrap_or_default()),
        "status": status,
        "codes": meaning.codes,
        "meaning": meaning.text,
    });
    Ok(Answer::json(StatusCode::OK, &body))
}

/// `| CODES | STATUSES | MEANING |`, with one status or one for each code; none where the line is no row.
fn row(line: &'static str) -> Option<Vec<(&'static str, Meaning)>> {
    let mut cells = line.strip_prefix("| `")?.strip_suffix('|')?.splitn(3, " | ");
    let (codes, statuses, text) = (cells.next()?, cells.next()?, cells.next()?.trim());
    let codes: Vec<_> =
        codes.split('`').step_by(2).filter(|code| !code.trim().is_empty()).collect();
    let statuses: Vec<_> = statuses.split(',').map(|status| status.trim().parse().ok()).collect();
    let status = |nth: usize| statuses.get(nth).or(statuses.first()).copied().flatten();
    let meaning = |nth| Meaning { status: status(nth), codes: codes.clone(), text };
    Some(codes.iter().enumerate().map(|(nth, code)| (*code, meaning(nth))).collect())
}

/// The codes, each with its status.
#[cfg(test)]
fn codes() -> BTreeMap<&'static str, Option<u16>> {
    TABLE.iter().map(|(code, row)| (*code, row.status.map(|status| status.as_u16()))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;
    use crate::gateway::refusal::status_of;
    use crate::openapi;

    /// What no problem has: codes that Plivo's door alone gives, and the word for any limit's name.
    const IN_NO_PROBLEM: [&str; 6] = [
        "auth.other_account",
        "body.bad_callback_method",
        "body.bad_dlt",
        "body.bad_log",
        "body.not_served",
        ANY_LIMIT,
    ];

    #[test]
    fn a_limit_s_code_is_told_where_a_limit_can_be_called_so() {
        assert!(told("throttle.app-day").is_ok() && told("throttle.NAME").is_ok());
        for none in ["throttle.", "throttle.x%20y", "throttle.a.b", "zork"] {
            assert!(told(none).is_err(), "{none}");
        }
    }

    #[test]
    fn the_readme_gives_each_code_the_status_that_the_program_gives_it() {
        let codes = codes();
        assert!(codes.len() > 110, "{} codes were read", codes.len());
        for (code, status) in codes {
            // Answered as if it were accepted; and what is no answer.
            if code != "dup.coalesced" && status.is_some() {
                assert_eq!(Some(status_of(code).as_u16()), status, "{code}");
            }
        }
    }

    #[test]
    fn the_document_has_each_code_of_the_readme_under_its_status_and_no_other() {
        let document: Value = serde_json::from_str(openapi::APPS).unwrap();
        let mut found: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
        for item in document["paths"].as_object().unwrap().values() {
            let responses =
                item.as_object().unwrap().values().filter_map(|of| of["responses"].as_object());
            for (status, answer) in responses.flatten() {
                let name = answer["$ref"].as_str().and_then(|at| at.rsplit('/').next());
                let Some(name) = name else { continue };
                let schema = &document["components"]["responses"][name]["content"];
                let mut code = &schema["application/problem+json"]["schema"]["properties"]["code"];
                code = if code["anyOf"].is_array() { &code["anyOf"][0] } else { code };
                if code["$ref"].is_string() {
                    code = &document["components"]["schemas"]["MalformedCode"];
                }
                for code in code["enum"].as_array().into_iter().flatten() {
                    let code = code.as_str().unwrap().to_owned();
                    found.entry(code).or_default().insert(status.parse().unwrap());
                }
            }
        }
        let wanted = codes().into_iter().filter(|(code, _)| !IN_NO_PROBLEM.contains(code));
        let wanted = wanted.filter_map(|(code, status)| {
            Some((code.to_owned(), status.filter(|status| *status > 202)?))
        });
        let wanted: BTreeMap<_, _> =
            wanted.map(|(code, status)| (code, BTreeSet::from([status]))).collect();
        for (code, statuses) in &wanted {
            assert_eq!(found.get(code), Some(statuses), "{code} in apps.json");
        }
        for (code, statuses) in &found {
            assert_eq!(wanted.get(code), Some(statuses), "{code} in README.md");
        }
    }

    #[test]
    fn every_door_that_takes_no_parameters_says_that_it_refuses_them() {
        let document: Value = serde_json::from_str(openapi::APPS).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            let native = path.starts_with("/v1/") && !path.starts_with("/v1/Account");
            for (method, operation) in item.as_object().unwrap().iter().filter(|_| native) {
                let Some(name) = operation["responses"]["400"]["$ref"].as_str() else { continue };
                let answer = document.pointer(&name[1..]).unwrap().to_string();
                let codes = match answer.contains("MalformedCode") {
                    true => document["components"]["schemas"]["MalformedCode"].to_string(),
                    false => answer,
                };
                for code in ["body.bad_filter", "http.malformed_host"] {
                    assert!(codes.contains(code), "{code} of {method} {path}");
                }
            }
        }
    }

    #[test]
    fn a_code_is_told_with_its_type_and_one_that_nobody_knows_is_not_found() {
        for (code, kind) in [
            ("dup.content", "urn:sendgate:problem:dup.content"),
            ("throttle.app", "https://iana.org/assignments/http-problem-types#quota-exceeded"),
            ("send.unclear", "urn:sendgate:problem:send.unclear"),
        ] {
            assert!(is_told(code), "an answer with {code} has no link");
            let told: Value = serde_json::from_slice(&told(code).unwrap().body).unwrap();
            assert_eq!((&told["code"], &told["type"]), (&code.into(), &kind.into()), "{told}");
            assert!(told["meaning"].as_str().is_some_and(|meaning| meaning.len() > 10), "{told}");
        }
        for code in ["words.listed", "", "dup", "throttle"] {
            assert!(told(code).is_err() && !is_told(code), "{code}");
        }
    }
}
