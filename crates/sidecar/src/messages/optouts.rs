//! `sendgate optouts`: an operator says in the place of a handset what policies are to hear.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use http::Method;
use message::{E164, Sender};
use serde_json::Value;

use super::target::{Target, Whom};
use super::{Failure, call, path, runtime, show};
use crate::cli::OptoutsCommand;
use crate::config::Environment;

/// Most faults of a list that are told.
const TOLD: usize = 20;

/// One line of a list.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    number: &'a str,
    /// None where it is about all of them.
    sender: Option<&'a str>,
}

/// Does what `command` says, and prints what came of it.
///
/// # Errors
///
/// As [`messages`](super::messages); a list that cannot be read, of which nothing is imported then.
pub fn optouts(command: &OptoutsCommand, environment: &Environment) -> Result<(), Failure> {
    match command {
        OptoutsCommand::Add { number, sender, reach } => {
            let line = Line::typed(number, sender.as_deref())?;
            let listed = say(&Target::of(reach, Whom::Operator, environment)?, &[line], OUT)?;
            show(&Value::Null, false, |_| match listed {
                0 => "added\n".into(),
                _ => "was listed already\n".into(),
            })
        }
        OptoutsCommand::Remove { number, sender, reach } => {
            let line = Line::typed(number, sender.as_deref())?;
            let unlisted = say(&Target::of(reach, Whom::Operator, environment)?, &[line], IN)?;
            show(&Value::Null, false, |_| match sender {
                _ if unlisted == 0 => "removed\n".into(),
                Some(sender) => format!("was not listed for {sender}\n"),
                None => {
                    "was not listed for all senders; where it was for one, that is removed\n".into()
                }
            })
        }
        OptoutsCommand::Import { file, reach } => {
            let fault = |detail| Failure::List { path: file.clone(), detail };
            let text = read(file).map_err(fault)?;
            let lines = lines(&text).map_err(fault)?;
            let (once, repeated) = without_repeats(lines);
            let listed = say(&Target::of(reach, Whom::Operator, environment)?, &once, OUT)?;
            let added = once.len() - listed;
            show(&Value::Null, false, |_| {
                format!("{added} added, {listed} listed already, {repeated} repeated in the file\n")
            })
        }
        OptoutsCommand::Url { reach } => {
            let target = Target::of(reach, Whom::Operator, environment)?;
            let answer = runtime()?.block_on(call::ask(&target, Method::GET, "/inbound"))?;
            show(&answer, false, |answer| {
                format!("{}\n", answer["url"].as_str().unwrap_or_default())
            })
        }
    }
}

/// A word that opts out or in, what a policy makes of it, and what besides where that was so before.
const OUT: [&str; 3] = ["STOP", "optout.learned", "optout.listed"];
const IN: [&str; 3] = ["START", "optout.cleared", "optout.not_listed"];

impl<'a> Line<'a> {
    /// What a person typed.
    ///
    /// # Errors
    ///
    /// Everything about it that cannot be meant, as it is called on the command line.
    fn typed(number: &'a str, sender: Option<&'a str>) -> Result<Self, Failure> {
        let number_fault = E164::parse(number, "").err().map(|fault| ("NUMBER", fault));
        let sender_fault = sender.and_then(|sender| Sender::parse_any(sender, "").err());
        let faults = number_fault.into_iter().chain(sender_fault.map(|fault| ("--sender", fault)));
        let faults: Vec<String> =
            faults.map(|(word, fault)| format!("{word} {}", fault.detail)).collect();
        match faults.is_empty() {
            true => Ok(Self { number, sender }),
            false => Err(Failure::Typed(faults)),
        }
    }
}

/// Says a word for each of `lines`, and returns for how many it changed nothing. Saying it twice does no harm, so where
/// it breaks off it is begun anew.
fn say(
    target: &Target,
    lines: &[Line<'_>],
    [word, code, as_before]: [&str; 3],
) -> Result<usize, Failure> {
    runtime()?.block_on(async {
        let mut unchanged = 0;
        for Line { number, sender } in lines {
            let mut query = vec![("from", (*number).to_owned()), ("text", word.to_owned())];
            query.extend(sender.map(|sender| ("to", sender.to_owned())));
            let told = call::ask(target, Method::POST, &path(&["inbound"], &query)).await?;
            let made = |code: &str| {
                let mut remarks = told["remarks"].as_array().into_iter().flatten();
                remarks.any(|remark| remark["code"] == code)
            };
            if !made(code) {
                return Err(Failure::NobodyHears(word.to_owned()));
            }
            unchanged += usize::from(made(as_before));
        }
        Ok(unchanged)
    })
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|err| err.to_string())
}

/// The lines of a list.
///
/// # Errors
///
/// Every line that is none, by its number.
fn lines(text: &str) -> Result<Vec<Line<'_>>, String> {
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    // Spreadsheets write a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (nth, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (number, sender) = match line.split_once(',') {
            Some((number, sender)) => (number.trim(), Some(sender.trim())),
            None => (line, None),
        };
        let sender = sender.filter(|sender| !sender.is_empty());
        if E164::parse(number, "").is_err() {
            faults.push(format!("line {nth}: is no number in E.164, such as +14155550123"));
        } else if let Some(fault) = sender.and_then(|sender| Sender::parse_any(sender, "").err()) {
            faults.push(format!("line {nth}: what follows the comma {}", fault.detail));
        } else {
            lines.push(Line { number, sender });
        }
    }
    if faults.is_empty() {
        return Ok(lines);
    }
    let more = faults.len().saturating_sub(TOLD);
    faults.truncate(TOLD);
    let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
    Err(format!("nothing was imported\n{}{more}", faults.join("\n")))
}

/// Each number and sender once, and how many lines say what an earlier one says. A sender's name is the same however it
/// is capitalised.
fn without_repeats(lines: Vec<Line<'_>>) -> (Vec<Line<'_>>, usize) {
    let (all, mut seen) = (lines.len(), BTreeSet::new());
    let is_new = |line: &Line<'_>| {
        seen.insert((line.number.to_owned(), line.sender.map(str::to_ascii_lowercase)))
    };
    let once: Vec<_> = lines.into_iter().filter(is_new).collect();
    let repeated = all - once.len();
    (once, repeated)
}

#[cfg(test)]
mod tests {
    use super::{Line, lines, without_repeats};

    #[test]
    fn a_list_names_recipients_with_or_without_a_sender() {
        let text = "\u{feff}# from the old system\n+14155550123\n\n+14155550124, +14155551212\r\n+14155550125,\n";
        let line = |number, sender| Line { number, sender };
        let expected = [
            line("+14155550123", None),
            line("+14155550124", Some("+14155551212")),
            line("+14155550125", None),
        ];
        assert_eq!(lines(text).unwrap(), expected);
    }

    #[test]
    fn a_number_is_said_once_for_each_sender_and_what_is_repeated_is_counted() {
        let text =
            "+14155550123\n+14155550123,Acme\n+14155550124\n+14155550123,ACME\n+14155550123,\n";
        let (once, repeated) = without_repeats(lines(text).unwrap());
        let said: Vec<_> = once.iter().map(|line| (&line.number[9..], line.sender)).collect();
        assert_eq!(said, [("123", None), ("123", Some("Acme")), ("124", None)]);
        assert_eq!(repeated, 2);
    }

    #[test]
    fn every_line_that_is_none_is_told_by_its_number_up_to_a_bound() {
        let said = lines("number,sender\n+14155550123\n+14155550124,?\n").unwrap_err();
        let lines_told: Vec<&str> = said.lines().collect();
        assert_eq!(lines_told.len(), 3, "{said}");
        assert!(
            lines_told[1].starts_with("line 1: is no number")
                && lines_told[2].starts_with("line 3: what follows the comma is not a sender: "),
            "{said}"
        );
        let said = lines(&"x\n".repeat(30)).unwrap_err();
        assert!(said.ends_with("and 10 more") && said.lines().count() == 22, "{said}");
    }
}
