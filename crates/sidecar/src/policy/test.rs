//! `sendgate policy test`: what a built module says of each case, and how near it came to its limits.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

use policy_cases::Case;
use policy_host::{Module, VisitLimits};
use serde_json::{Value, json};

use super::rehearsal::{self, Cost, OWN_CASES, Ran, place};
use super::{Failure, Named};
use crate::terminal::{self, counted, line};

/// Runs the cases in `cases`, or those that the module brings along, and prints how each went.
pub(super) fn test(
    named: &Named,
    cases: Option<&Path>,
    limits: VisitLimits,
    as_json: bool,
) -> Result<(), Failure> {
    let path = named.name.as_path();
    named.with(limits, async |module| {
        let from = cases.unwrap_or(path);
        let cases = read(&module, path, cases)?;
        let (mut ran, begun) = (Vec::with_capacity(cases.len()), Instant::now());
        for case in &cases {
            ran.push((case, rehearsal::run(&module, case).await));
        }
        let took = begun.elapsed();
        if took > OWN_CASES {
            let (took, most) = (took.as_secs(), OWN_CASES.as_secs());
            writeln!(
                io::stderr(),
                "warning: these cases took {took} s; no sidecar loads a module whose own take more than {most} s"
            )?;
        }
        let mut out = io::stdout().lock();
        match as_json {
            true => writeln!(out, "{}", terminal::json(&shown(&module, &ran)))?,
            false => print(&mut out, &module, from, &ran)?,
        }
        match ran.iter().filter(|(_, ran)| !ran.differing.is_empty()).count() {
            0 => Ok(()),
            differing => Err(Failure::Differ(differing, cases.len())),
        }
    })
}

fn read(module: &Module, path: &Path, cases: Option<&Path>) -> Result<Vec<Case>, Failure> {
    let text = match (cases, module.cases()) {
        (Some(file), _) => {
            std::fs::read_to_string(file).map_err(|err| Failure::Unread(file.into(), err))?
        }
        (None, Some(own)) => String::from_utf8_lossy(own).into_owned(),
        (None, None) => return Err(Failure::NoCases(path.into())),
    };
    let from = cases.unwrap_or(path);
    policy_cases::parse(&text).map_err(|err| Failure::Cases(from.into(), err))
}

fn print(
    out: &mut impl io::Write,
    module: &Module,
    from: &Path,
    ran: &[(&Case, Ran)],
) -> io::Result<()> {
    let manifest = module.manifest();
    let (name, version, from) = (&manifest.name, &manifest.version, from.display());
    line(
        out,
        format_args!("{name} {version}, {} of {from}", counted(ran.len() as u64, "case", "cases")),
    )?;
    let width = ran.iter().map(|(case, _)| case.name.chars().count()).max().unwrap_or(0);
    let mut most = Cost::default();
    for (case, ran) in ran {
        let word = if ran.differing.is_empty() { "holds" } else { "DIFFERS" };
        line(out, format_args!("  {word:<8} {:<width$}  {}", case.name, ran.cost))?;
        for each in &ran.differing {
            line(out, format_args!("           line {}: {}", case.line, by_flags(&place(each))))?;
        }
        for heard in &ran.heard {
            let mut before = format!("{:11}{}: ", "", heard.level);
            for each in heard.text.trim_end().split('\n') {
                line(out, format_args!("{before}{each}"))?;
                before = " ".repeat(18);
            }
        }
        most.guest = most.guest.max(ran.cost.guest);
        most.memory = most.memory.max(ran.cost.memory);
        most.host_calls = most.host_calls.max(ran.cost.host_calls);
    }
    let limits = module.limits();
    let bounds = Cost { guest: limits.time, memory: limits.memory, host_calls: limits.host_calls };
    writeln!(out, "most that a call of it took: {most}")?;
    writeln!(out, "most that one may take:      {bounds}")
}

fn shown(module: &Module, ran: &[(&Case, Ran)]) -> Value {
    let (manifest, limits) = (module.manifest(), module.limits());
    let case = |(case, ran): &(&Case, Ran)| {
        let difference = |(step, each): &(Option<usize>, policy_cases::Difference)| {
            let (what, expected, found) = (&each.what, &each.expected, by_flags(&each.found));
            json!({ "step": step, "what": what, "expected": expected, "found": found })
        };
        json!({
            "name": case.name,
            "line": case.line,
            "holds": ran.differing.is_empty(),
            "logged": ran.heard.iter().map(|line| json!({ "level": line.level, "text": line.text })).collect::<Vec<_>>(),
            "differences": ran.differing.iter().map(difference).collect::<Vec<_>>(),
            "guest_us": micros(ran.cost.guest),
            "memory_bytes": ran.cost.memory,
            "host_calls": ran.cost.host_calls,
        })
    };
    json!({
        "policy": manifest.name,
        "version": &*manifest.version,
        "digest": module.digest().to_string(),
        "limits": {
            "guest_us": micros(limits.time), "memory_bytes": limits.memory, "host_calls": limits.host_calls,
        },
        "cases": ran.iter().map(case).collect::<Vec<_>>(),
    })
}

/// What names a limit's key in a configuration, by the flag that was or can be typed here.
pub(super) fn by_flags(said: &str) -> String {
    let flags =
        [("time_ms", "--time-ms"), ("memory_mb", "--memory-mb"), ("host_calls", "--host-calls")];
    flags.iter().fold(said.to_owned(), |said, (key, flag)| {
        said.replace(&format!("raise `{key}`"), &format!("raise `{flag}`"))
    })
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, mib) =
            (self.guest.as_secs_f64() * 1_000.0, self.memory as f64 / f64::from(1 << 20));
        write!(f, "{ms:>5.1} ms {mib:>5.1} MiB {:>3} calls", self.host_calls)
    }
}
