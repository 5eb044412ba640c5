//! What the commands for one budget each tell: lines of a table, and a file of JSON.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Result;
use crate::load::Answered;
use crate::report::ms;

/// What a request must not take while modules are replaced.
const SLOW: Duration = Duration::from_millis(10);

/// The line above those of [`line`].
pub(crate) fn head(what: &str) -> String {
    format!(
        "{what:<28} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "requests", "failed", ">10 ms", "p50 ms", "p99 ms", "max ms"
    )
}

/// What requests came to.
pub(crate) fn line(name: &str, answered: &Answered) -> String {
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| ms(answered.within(share)));
    format!(
        "{name:<28} {:>9} {:>8} {:>8} {p50:>8.2} {p99:>8.2} {most:>8.2}",
        answered.count() + answered.failed,
        answered.failed,
        answered.slower_than(SLOW),
    )
}

/// The same for whatever compares runs.
pub(crate) fn json_of(answered: &Answered) -> Value {
    json!({
        "requests": answered.count() + answered.failed,
        "failed": answered.failed,
        "slower_than_10_ms": answered.slower_than(SLOW),
        "requests_per_s": answered.per_s(),
        "p50_ms": ms(answered.within(0.5)),
        "p99_ms": ms(answered.within(0.99)),
        "max_ms": ms(answered.within(1.0)),
    })
}

/// Writes `figures` to `target/bench/NAME.json`, and says so.
pub(crate) fn keep(name: &str, figures: &Value) -> Result<()> {
    let path = crate::target().join(format!("bench/{name}.json"));
    fs::write(&path, serde_json::to_vec_pretty(figures)?)?;
    println!("written to {}", path.display());
    Ok(())
}
