//! One line of the corpus.

use std::sync::LazyLock;

use serde_json::Value;

/// One case.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) area: String,
    pub(super) input: Value,
    pub(super) expect: Expect,
    /// The code in brackets that the reason begins with; `ok` where nothing is to be said.
    pub(super) code: String,
    /// The reason without code and `out=`.
    pub(super) reason: String,
    /// What the answer or the sent message must hold, as a subset.
    pub(super) out: Option<Value>,
}

/// The verdict: a send, a refusal, or success other than as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    Allow,
    Deny,
    Transform,
}

/// What a reason says of the text's segments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) encoding: String,
    pub(super) units: u64,
    pub(super) segments: u64,
}

impl Line {
    /// `encoding=gsm7 units=161 segments=2`, where the reason says so.
    pub(super) fn claim(&self) -> Option<Claim> {
        let word = |name: &str| {
            let words = self.reason.split([' ', ';']);
            words
                .filter_map(|word| word.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        Some(Claim {
            encoding: word("encoding")?.to_owned(),
            units: word("units")?.parse().expect("a count"),
            segments: word("segments")?.parse().expect("a count"),
        })
    }

    fn read(text: &str) -> Self {
        let line: Value =
            serde_json::from_str(text).unwrap_or_else(|err| panic!("{err} in {text}"));
        let word = |name: &str| {
            line[name].as_str().unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
        };
        let reason = word("reason");
        let coded = reason.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (code, said) = coded.unwrap_or_else(|| panic!("no code in {text}"));
        let (said, out) = match said.split_once(" out=") {
            Some((said, out)) => (
                said,
                Some(serde_json::from_str(out).unwrap_or_else(|err| panic!("{err} in {text}"))),
            ),
            None => (said, None),
        };
        let expect = match word("expect").as_str() {
            "allow" => Expect::Allow,
            "deny" => Expect::Deny,
            "transform" => Expect::Transform,
            other => panic!("{other} is no verdict, in {text}"),
        };
        Self {
            id: word("id"),
            area: word("area"),
            input: line["input"].clone(),
            expect,
            code: code.to_owned(),
            reason: said.trim().to_owned(),
            out,
        }
    }
}

/// All lines, in the order of the file.
pub(super) fn lines() -> Vec<Line> {
    static LINES: LazyLock<Vec<Line>> =
        LazyLock::new(|| include_str!("../edge-cases.jsonl").lines().map(Line::read).collect());
    LINES.clone()
}

/// The lines of one area that are not listed for later.
pub(super) fn lines_of(area: &str) -> Vec<Line> {
    let runs = |line: &Line| line.area == area && super::later::reason(&line.id).is_none();
    lines().into_iter().filter(runs).collect()
}
