//! What changed since an earlier run.

use std::fmt::{self, Write as _};

use serde_json::Value;

use crate::Result;

/// What of each row is compared, and how it is called.
const COLUMNS: [(&str, &str); 6] = [
    ("requests_per_s", "requests"),
    ("p50_us", "p50"),
    ("p90_us", "p90"),
    ("p99_us", "p99"),
    ("cpu_ms_per_1000", "CPU"),
    ("rss_mib", "RSS"),
];

/// What else is, by its JSON pointer.
const REST: [(&str, &str); 6] = [
    ("/chain/native/p50_us", "the rules alone, native"),
    ("/chain/warm/p50_us", "the rules alone, warm"),
    ("/chain/fresh/p50_us", "the rules alone, fresh"),
    ("/start_to_first_202_ms/warm", "first 202"),
    ("/start_to_first_202_ms/cold", "first 202, nothing compiled yet"),
    ("/idle_rss_mib", "resident then"),
];

/// What an earlier run was, read from `file`.
///
/// # Errors
///
/// Where it is none: before anything is measured, not after.
pub(crate) fn read(file: &str) -> Result<Value> {
    let bytes = std::fs::read(file).map_err(|err| format!("{file}: {err}"))?;
    let run: Value = serde_json::from_slice(&bytes).map_err(|err| format!("{file}: {err}"))?;
    if rows(&run).is_empty() {
        return Err(format!(
            "{file} is no run of the whole bench, such as target/bench/latest.json"
        )
        .into());
    }
    Ok(run)
}

/// A line for each program under each load that both runs have: the new figure by the old one.
///
/// # Errors
///
/// None; writing to a string does not fail.
pub(crate) fn compared(before: &Value, now: &Value) -> std::result::Result<String, fmt::Error> {
    let mut told = String::new();
    write!(told, "\n{:<14} {:<24}", "times before", "")?;
    COLUMNS.iter().try_for_each(|(_, name)| write!(told, " {name:>9}"))?;
    writeln!(told)?;
    for row in rows(now) {
        let is_it =
            |other: &&Value| other["load"] == row["load"] && other["program"] == row["program"];
        let Some(old) = rows(before).iter().find(is_it) else { continue };
        write!(told, "{:<14} {:<24}", word(&row["load"]), word(&row["program"]))?;
        for (column, _) in COLUMNS {
            match (row[column].as_f64(), old[column].as_f64()) {
                (Some(new), Some(old)) if old > 0.0 => write!(told, " {:>9.2}", new / old)?,
                _ => write!(told, " {:>9}", "?")?,
            }
        }
        writeln!(told)?;
    }
    for (at, name) in REST {
        let of = |run: &Value| run.pointer(at).and_then(Value::as_f64);
        if let (Some(new), Some(old)) = (of(now), of(before)) {
            writeln!(told, "{name:<39} {:>9.2}", new / old)?;
        }
    }
    Ok(told)
}

fn rows(run: &Value) -> &[Value] {
    run["programs"].as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
