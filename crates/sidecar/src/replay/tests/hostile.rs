//! Logs that nobody should have written.

use std::fs;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::stage::{By, Stage};
use super::traffic;
use crate::decisions::lines::LINE_BYTES;
use crate::replay::Failure;

const COUNTRY: &str = "[[policies]]\nname = \"country\"\nmodule = \"MODULES/country.wasm\"\n";

/// A log of a few decisions.
fn stage() -> (Stage, Vec<String>) {
    let stage = Stage::new(COUNTRY, false);
    let log = stage.play(&traffic::much()[..8]);
    (stage, log.lines().map(str::to_owned).collect())
}

#[test]
fn lines_that_are_none_are_passed_over_each_with_its_place() {
    let (stage, mut lines) = stage();
    let huge = format!("{{\"decision\":\"{}\"}}", "x".repeat(LINE_BYTES));
    lines.insert(2, huge);
    lines.insert(3, "[".repeat(100_000));
    let door = r#""door":"messages""#;
    let own = lines.iter().find(|line| line.contains(door)).unwrap().clone();
    lines.insert(4, own.replace(door, r#""door":"window""#));
    lines.insert(5, lines[1].replace(r#""to":"+"#, r#""to":"-"#));
    lines.insert(6, lines[1].replacen(r#""valid":"#, r#""valid":3"#, 1));
    lines.insert(7, String::new());
    let whole = lines.join("\n");
    let torn = &lines[1][..lines[1].len() / 2];
    fs::write(stage.log(), format!("{whole}\n\u{0}\u{1b}[2J\n{torn}")).unwrap();

    let report = stage.replay(By::OwnConfiguration);
    let shown = report.shown();
    assert_eq!((report.decisions, report.changed, report.passed_over), (8, 0, 7), "{shown:#}");
    let told: Vec<&str> = shown["passed_over"]["places"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| {
            let place = place.as_str().unwrap();
            &place[place.find("d.jsonl").unwrap()..]
        })
        .collect();
    let wanted = [
        "d.jsonl:3: is longer than 4194304 bytes",
        "d.jsonl:4: is no line of a decision log (column 1)",
        "d.jsonl:5: /door: `window` is no door",
        "d.jsonl:6: /to: is not E.164",
        "d.jsonl:7: is no line of a decision log (column ",
        "d.jsonl:16: is no line of a decision log (column 1)",
        "d.jsonl:17: ends in the middle",
    ];
    assert_eq!(told.len(), wanted.len(), "{told:#?}");
    for (told, wanted) in told.iter().zip(wanted) {
        assert!(told.starts_with(wanted), "{told}, not {wanted}");
    }
}

#[test]
fn decisions_whose_policies_nobody_tells_are_not_compared() {
    let (stage, lines) = stage();
    fs::write(stage.log(), lines[1..].join("\n") + "\n").unwrap();
    let report = stage.replay(By::Module("country", "country"));
    let why = "the line that tells the policies is missing";
    assert_eq!(report.shown()["not_compared"][why], 8, "{}", report.shown());
}

#[test]
fn a_line_of_policies_that_comes_again_is_the_same_line() {
    let (stage, mut lines) = stage();
    let of_old = lines[0].replace(env!("CARGO_PKG_VERSION"), "0.0.1");
    assert_ne!(lines[0], of_old);
    lines[0].clone_from(&of_old);
    lines.insert(3, of_old.clone());
    lines.insert(6, of_old);
    fs::write(stage.log(), lines.join("\n") + "\n").unwrap();
    let shown = stage.replay(By::Module("country", "country")).shown();
    assert_eq!(
        (&shown["decisions"], &shown["passed_over"]["lines"]),
        (&8.into(), &0.into()),
        "{shown:#}"
    );
    assert_eq!(shown["remarks"].as_array().unwrap().len(), 1, "{shown:#}");
}

#[test]
fn a_file_that_tells_nothing_or_is_of_another_form_is_an_error() {
    let (stage, lines) = stage();
    for nothing in ["", "\n\n", "not a log\n"] {
        fs::write(stage.log(), nothing).unwrap();
        let failed = stage.try_replay(By::OwnConfiguration);
        assert!(matches!(failed, Err(Failure::NoDecisions(_))), "{nothing:?}: {failed:?}");
    }
    fs::write(stage.log(), lines[0].replace("\"form\":1", "\"form\":2") + "\n").unwrap();
    let failed = stage.try_replay(By::OwnConfiguration).unwrap_err().to_string();
    assert!(failed.contains("d.jsonl:1: has form 2, and this sendgate reads form 1"), "{failed}");

    fs::write(stage.log(), lines.join("\n") + "\n").unwrap();
    let failed = stage.try_replay(By::Module("country", "nobody")).unwrap_err().to_string();
    assert!(
        failed.contains("no log has a policy `nobody`; name one with --policy: country"),
        "{failed}"
    );
    let bad = lines[0].replace("\"settings\":{}", "\"settings\":{\"allow\":7}");
    fs::write(stage.log(), bad + "\n" + &lines[1] + "\n").unwrap();
    let failed = stage.try_replay(By::Module("country", "country")).unwrap_err().to_string();
    assert!(
        failed.contains("d.jsonl:1: ") && failed.contains("cannot stand for policy"),
        "{failed}"
    );
}

#[test]
fn a_module_that_spins_ends_the_replay() {
    let (stage, lines) = stage();
    // As if it were whole, so that the guest does what the text says.
    let texts = lines.iter().map(|line| {
        let (head, tail) = line.split_once(r#""text":""#).unwrap_or((line, ""));
        let rest = tail.split_once('"').map_or("", |(_, rest)| rest);
        if line.starts_with(r#"{"decision""#) {
            format!("{head}\"text\":\"spin\"{rest}")
        } else {
            line.clone()
        }
    });
    fs::write(stage.log(), texts.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    let failed = stage.try_replay(By::Module("runaway", "country"));
    assert!(matches!(failed, Err(Failure::OutOfTime(5, 1))), "{failed:?}");
}

proptest! {
    #![proptest_config(Config { cases: 64, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_bytes_bring_the_reader_down(
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..40),
        cut in any::<bool>(),
    ) {
        thread_local!(static LOG: (Stage, Vec<String>) = stage());
        LOG.with(|(stage, lines)| {
            let mut log = lines.join("\n").into_bytes();
            let at = at.index(log.len());
            let end = (at + bytes.len()).min(log.len());
            log.splice(at..end, bytes);
            if cut {
                log.truncate(end);
            }
            fs::write(stage.log(), &log).unwrap();
            // Whatever it says, it says something.
            drop(stage.try_replay(By::OwnConfiguration));
        });
    }
}
