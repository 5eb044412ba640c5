//! What was measured, as a table for people and as JSON for whatever compares runs.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::LOADS;
use crate::chain::{ChainTimes, Times};
use crate::load::Load;
use crate::policies::POLICIES;
use crate::stage::{Cell, Measured, SUBJECTS};

/// The medians of all rounds.
pub(crate) struct Report {
    chain: ChainTimes,
    /// By load, then by subject.
    rows: Vec<Row>,
    rounds: usize,
    disturbance: f64,
}

/// One program under one load: the median of each column by itself.
struct Row {
    load: Load,
    subject: usize,
    per_s: f64,
    /// Microseconds.
    latency: [f64; 3],
    /// Milliseconds of processor time for a thousand requests: the program's, the upstream's, the driver's.
    processor: [f64; 3],
    /// MiB.
    resident: f64,
}

impl Report {
    pub(crate) fn of(chain: ChainTimes, measured: Measured) -> Self {
        let Measured { cells, disturbance } = measured;
        let pairs = LOADS.iter().flat_map(|load| (0..SUBJECTS.len()).map(move |of| (*load, of)));
        let rows: Vec<Row> = pairs.map(|(load, subject)| Row::of(load, subject, &cells)).collect();
        Self { chain, rounds: cells.len() / rows.len(), rows, disturbance }
    }

    pub(crate) fn to_json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "load": row.load.to_string(),
                "program": SUBJECTS[row.subject],
                "requests_per_s": row.per_s,
                "p50_us": row.latency[0], "p90_us": row.latency[1], "p99_us": row.latency[2],
                "cpu_ms_per_1000": row.processor[0],
                "upstream_cpu_ms_per_1000": row.processor[1],
                "driver_cpu_ms_per_1000": row.processor[2],
                "rss_mib": row.resident,
            })
        };
        let times = |times: Times| json!({ "p50_us": us(times.p50), "p90_us": us(times.p90) });
        json!({
            "rounds": self.rounds,
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "other_processes": self.disturbance,
            "programs": self.rows.iter().map(row).collect::<Vec<_>>(),
            "chain": {
                "native": times(self.chain.native),
                "warm": times(self.chain.warm),
                "fresh": times(self.chain.fresh),
                "warm_policies": self.chain.each_warm.map(times),
            },
        })
    }

    /// Each row beside the bare hop's under the same load.
    fn ratios(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<14} {:<24} {:>9} {:>9} {:>9}",
            "times bare hop", "", "requests", "p50", "CPU"
        )?;
        for rows in self.rows.chunks(SUBJECTS.len()) {
            let Some((hop, others)) = rows.split_first() else { continue };
            for row in others {
                writeln!(
                    f,
                    "{:<14} {:<24} {:>9.2} {:>9.2} {:>9.2}",
                    row.load.to_string(),
                    SUBJECTS[row.subject],
                    row.per_s / hop.per_s,
                    row.latency[0] / hop.latency[0],
                    row.processor[0] / hop.processor[0]
                )?;
            }
        }
        Ok(())
    }

    fn chain_times(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChainTimes { native, warm, fresh, each_warm } = self.chain;
        writeln!(
            f,
            "\n{:<39} {:>9} {:>9} {:>9}",
            "the four rules alone, in process", "p50 us", "p90 us", "native"
        )?;
        let mut line = |name: &str, times: Times| {
            let by_native = us(times.p50) / us(native.p50);
            writeln!(
                f,
                "{name:<39} {:>9.2} {:>9.2} {by_native:>8.1}x",
                us(times.p50),
                us(times.p90)
            )
        };
        line("native code", native)?;
        line("warm instances", warm)?;
        for (policy, times) in POLICIES.iter().zip(each_warm) {
            line(&format!("  of which {}", policy.name), times)?;
        }
        line("fresh instances", fresh)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "medians of {} rounds; other processes took {:.0} % of the machine\n",
            self.rounds,
            self.disturbance * 100.0
        )?;
        writeln!(
            f,
            "{:<14} {:<24} {:>9} {:>8} {:>8} {:>8} {:>12} {:>8}",
            "load", "program", "requests", "p50 us", "p90 us", "p99 us", "CPU ms/1000", "RSS MiB"
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "{:<14} {:<24} {:>7.0}/s {:>8.0} {:>8.0} {:>8.0} {:>12.1} {:>8.0}",
                row.load.to_string(),
                SUBJECTS[row.subject],
                row.per_s,
                row.latency[0],
                row.latency[1],
                row.latency[2],
                row.processor[0],
                row.resident
            )?;
        }
        self.ratios(f)?;
        self.chain_times(f)
    }
}

impl Row {
    fn of(load: Load, subject: usize, cells: &[Cell]) -> Self {
        let own: Vec<&Cell> =
            cells.iter().filter(|cell| cell.load == load && cell.subject == subject).collect();
        let median = |column: fn(&Cell) -> f64| {
            let mut values: Vec<f64> = own.iter().map(|cell| column(cell)).collect();
            values.sort_unstable_by(f64::total_cmp);
            quantile(&values, 0.5)
        };
        // A thousand requests of so many microseconds each are as many milliseconds.
        Self {
            load,
            subject,
            per_s: median(|cell| cell.per_s),
            latency: [
                median(|cell| us(cell.p50)),
                median(|cell| us(cell.p90)),
                median(|cell| us(cell.p99)),
            ],
            processor: [
                median(|cell| us(cell.processor)),
                median(|cell| us(cell.upstream)),
                median(|cell| us(cell.driver)),
            ],
            resident: median(|cell| cell.resident as f64 / f64::from(1 << 20)),
        }
    }
}

/// The value that `share` of `sorted` are at or below.
///
/// # Panics
///
/// If there is none.
pub(crate) fn quantile<T: Copy>(sorted: &[T], share: f64) -> T {
    let at = (sorted.len() as f64 * share).ceil() as usize;
    sorted[at.saturating_sub(1).min(sorted.len() - 1)]
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
