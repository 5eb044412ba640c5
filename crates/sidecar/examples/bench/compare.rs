//! What changed since an earlier run.

use std::fmt::{self, Write as _};

use serde_json::Value;

/// What of each row is compared, and how it is called.
const COLUMNS: [(&str, &str); 4] = [
    ("requests_per_s", "requests"),
    ("p50_us", "p50"),
    ("p99_us", "p99"),
    ("cpu_ms_per_1000", "CPU"),
];

/// A line for each program under each load that both runs have: the new figure by the old one.
///
/// # Errors
///
/// None; writing to a string does not fail.
pub(crate) fn compared(before: &Value, now: &Value) -> Result<String, fmt::Error> {
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
    for way in ["native", "warm", "fresh"] {
        let at = |run: &Value| run["chain"][way]["p50_us"].as_f64();
        if let (Some(new), Some(old)) = (at(now), at(before)) {
            writeln!(told, "{:<14} {way:<24} {:>9} {:>9.2}", "the rules alone", "", new / old)?;
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
