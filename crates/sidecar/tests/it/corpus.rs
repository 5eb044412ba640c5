//! Every line of `edge-cases.jsonl` is run, or listed in `corpus/later.rs` with the reason why not yet.
//!
//! A line is input, verdict and a reason that begins with a stable code in brackets; ` out=` is followed by JSON to
//! compare with, as a subset. Lines that need a clock or a history ask the compiled policies with a chosen instant;
//! all others go through a running sidecar by HTTP.

mod bench;
mod codes;
mod consent;
mod dup;
mod fairness;
mod fraud;
mod guests;
mod http_lines;
mod later;
mod line;
mod probe;
mod quiet;
mod relay;
mod reports;
mod restarts;
mod sends;
mod throttle;
mod upstream;

use std::collections::BTreeSet;

use self::line::{Line, lines};

/// What running the lines of one area came to.
#[derive(Default)]
struct Report {
    run: BTreeSet<String>,
    failures: Vec<String>,
}

impl Report {
    fn add(&mut self, line: &Line, result: Result<(), String>) {
        self.run.insert(line.id.clone());
        if let Err(why) = result {
            self.failures
                .push(format!("{} ({:?}) {}\n    {why}", line.id, line.expect, line.reason));
        }
    }

    /// Fails where a line failed, or was neither run nor listed.
    fn conclude(mut self, area: &str) {
        let of_area = lines().into_iter().filter(|line| line.area == area);
        let (later, now): (Vec<Line>, Vec<Line>) =
            of_area.partition(|line| later::reason(&line.id).is_some());
        for line in now.iter().filter(|line| !self.run.contains(&line.id)) {
            self.failures.push(format!("{} is neither run nor listed in corpus/later.rs", line.id));
        }
        #[expect(clippy::print_stdout, reason = "how much of the corpus ran")]
        {
            println!("{area}: {} lines run, {} listed for later", self.run.len(), later.len());
        }
        let (count, text) = (self.failures.len(), self.failures.join("\n"));
        assert!(count == 0, "{count} of {} lines of area {area} failed:\n{text}", now.len());
    }
}

#[test]
fn every_code_of_the_corpus_that_is_run_stands_in_the_readme() {
    let unknown: Vec<String> = lines()
        .iter()
        .filter(|line| later::reason(&line.id).is_none())
        .filter(|line| !codes::is_known(line))
        .map(|line| format!("{}: {}", line.id, line.code))
        .collect();
    assert!(unknown.is_empty(), "the README's table of codes lacks: {unknown:#?}");
}

#[test]
fn every_line_is_of_an_area_that_is_run_and_every_listed_line_exists() {
    let lines = lines();
    let stray: Vec<&str> = lines
        .iter()
        .filter(|line| !later::is_run(&line.area))
        .map(|line| line.id.as_str())
        .collect();
    assert!(stray.is_empty(), "their areas are not run: {stray:?}");
    let gone: Vec<&str> =
        later::ids().filter(|id| !lines.iter().any(|line| line.id == *id)).collect();
    assert!(gone.is_empty(), "listed, but in no line: {gone:?}");
    for (area, least) in later::RUN {
        let count = lines.iter().filter(|line| line.area == area).count();
        assert!(count >= least, "{area} has {count} lines, where at least {least} were");
    }
}
