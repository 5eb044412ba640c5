//! `sendgate optouts`: an operator says in the place of a handset what policies are to hear.

use std::fs;
use std::path::Path;

use http::Method;
use message::{E164, Sender};
use serde_json::Value;

use super::target::Target;
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
            say(&Target::of(reach, environment)?, &[line], OUT)?;
            show(&Value::Null, false, |_| "added\n".into())
        }
        OptoutsCommand::Remove { number, sender, reach } => {
            let line = Line::typed(number, sender.as_deref())?;
            let unlisted = say(&Target::of(reach, environment)?, &[line], IN)?;
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
            say(&Target::of(reach, environment)?, &lines, OUT)?;
            show(&Value::Null, false, |_| format!("{} added\n", lines.len()))
        }
        OptoutsCommand::Url { reach } => {
            let target = Target::of(reach, environment)?;
            let answer = runtime()?.block_on(call::ask(&target, Method::GET, "/inbound"))?;
            show(&answer, false, |answer| {
                format!("{}\n", answer["url"].as_str().unwrap_or_default())
            })
        }
    }
}

/// A word that opts out or in, and what a policy makes of it.
const OUT: (&str, &str) = ("STOP", "optout.learned");
const IN: (&str, &str) = ("START", "optout.cleared");
/// What it makes of one who opts in and had not opted out.
const NOT_LISTED: &str = "optout.not_listed";

impl<'a> Line<'a> {
    /// What a person typed.
    ///
    /// # Errors
    ///
    /// Everything about it that cannot be meant, as it is called on the command line.
    fn typed(number: &'a str, sender: Option<&'a str>) -> Result<Self, Failure> {
        let number_fault = E164::parse(number, "").err().map(|fault| ("NUMBER", fault));
        let sender_fault = sender.and_then(|sender| Sender::parse(sender, "").err());
        let faults = number_fault.into_iter().chain(sender_fault.map(|fault| ("--sender", fault)));
        let faults: Vec<String> =
            faults.map(|(word, fault)| format!("{word} {}", fault.detail)).collect();
        match faults.is_empty() {
            true => Ok(Self { number, sender }),
            false => Err(Failure::Typed(faults)),
        }
    }
}

/// Says a word for each of `lines`, and returns how many had not opted out and opt in. Saying it twice does no harm, so
/// where it breaks off it is begun anew.
fn say(target: &Target, lines: &[Line<'_>], (word, code): (&str, &str)) -> Result<usize, Failure> {
    runtime()?.block_on(async {
        let mut unlisted = 0;
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
            unlisted += usize::from(made(NOT_LISTED));
        }
        Ok(unlisted)
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
        } else if sender.is_some_and(|sender| Sender::parse(sender, "").is_err()) {
            faults.push(format!("line {nth}: names no sender after its comma"));
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

#[cfg(test)]
mod tests {
    use super::{Line, lines};

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
    fn every_line_that_is_none_is_told_by_its_number_up_to_a_bound() {
        let said = lines("number,sender\n+14155550123\n+14155550124,?\n").unwrap_err();
        let lines_told: Vec<&str> = said.lines().collect();
        assert_eq!(lines_told.len(), 3, "{said}");
        assert!(
            lines_told[1].starts_with("line 1: ") && lines_told[2].starts_with("line 3: "),
            "{said}"
        );
        let said = lines(&"x\n".repeat(30)).unwrap_err();
        assert!(said.ends_with("and 10 more") && said.lines().count() == 22, "{said}");
    }
}
