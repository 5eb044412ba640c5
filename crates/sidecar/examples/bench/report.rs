//! What was measured, as a table for people and as JSON for whatever compares runs.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::LOADS;
use crate::chain::{ChainTimes, Times};
use crate::load::Load;
use crate::policies::POLICIES;
use crate::stage::{Cell, DISTURBED, Measured, QUANTILES, SUBJECTS};
use crate::start::Starts;

/// The medians of all rounds.
pub(crate) struct Report {
    chain: ChainTimes,
    /// By load, then by subject.
    rows: Vec<Row>,
    starts: Starts,
    rounds: usize,
    disturbance: f64,
}

/// One program under one load: the median of each column by itself.
struct Row {
    load: Load,
    subject: usize,
    per_s: f64,
    /// Microseconds, at [`QUANTILES`].
    curve: [f64; QUANTILES.len()],
    /// Milliseconds of processor time for a thousand requests: the program's, the upstream's, the driver's.
    processor: [f64; 3],
    /// MiB.
    resident: f64,
}

impl Report {
    pub(crate) fn of(chain: ChainTimes, starts: Starts, measured: Measured) -> Self {
        let Measured { cells, disturbance } = measured;
        let pairs = LOADS.iter().flat_map(|load| (0..SUBJECTS.len()).map(move |of| (*load, of)));
        let rows: Vec<Row> = pairs.map(|(load, subject)| Row::of(load, subject, &cells)).collect();
        Self { chain, starts, rounds: cells.len() / rows.len(), rows, disturbance }
    }

    pub(crate) fn to_json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "load": row.load.to_string(),
                "program": SUBJECTS[row.subject].name,
                "requests_per_s": row.per_s,
                "p50_us": row.at(0.5), "p90_us": row.at(0.9), "p99_us": row.at(0.99),
                "curve_us": QUANTILES.iter().zip(row.curve).collect::<Vec<_>>(),
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
            "start_to_first_202_ms": { "cold": ms(self.starts.cold), "warm": ms(self.starts.warm) },
            "idle_rss_mib": mib(self.starts.resident),
            "programs": self.rows.iter().map(row).collect::<Vec<_>>(),
            "chain": {
                "native": times(self.chain.native),
                "warm": times(self.chain.warm),
                "fresh": times(self.chain.fresh),
                "warm_policies": self.chain.each_warm.map(times),
            },
        })
    }

    /// The rows under `load`: the program's name, and its latencies at [`QUANTILES`] in microseconds.
    pub(crate) fn curves(
        &self,
        load: Load,
    ) -> impl Iterator<Item = (&'static str, &[f64; QUANTILES.len()])> {
        let own = self.rows.iter().filter(move |row| row.load == load);
        own.map(|row| (SUBJECTS[row.subject].name, &row.curve))
    }

    /// Each row beside the bare hop's under the same load.
    fn ratios(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<14} {:<24} {:>9} {:>9} {:>12} {:>9}",
            "times bare hop", "", "requests", "p50", "p99 ms more", "CPU"
        )?;
        for rows in self.rows.chunks(SUBJECTS.len()) {
            let Some((hop, others)) = rows.split_first() else { continue };
            for row in others {
                writeln!(
                    f,
                    "{:<14} {:<24} {:>9.2} {:>9.2} {:>12.2} {:>9.2}",
                    row.load.to_string(),
                    SUBJECTS[row.subject].name,
                    row.per_s / hop.per_s,
                    row.at(0.5) / hop.at(0.5),
                    (row.at(0.99) - hop.at(0.99)) / 1e3,
                    row.processor[0] / hop.processor[0]
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ChainTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { native, warm, fresh, each_warm } = *self;
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
            "medians of {} rounds; other processes took {:.0} % of the machine{}\n",
            self.rounds,
            self.disturbance * 100.0,
            if self.disturbance > DISTURBED {
                ", too much for these figures to be trusted"
            } else {
                ""
            }
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
                SUBJECTS[row.subject].name,
                row.per_s,
                row.at(0.5),
                row.at(0.9),
                row.at(0.99),
                row.processor[0],
                row.resident
            )?;
        }
        self.ratios(f)?;
        write!(f, "{}", self.chain)?;
        writeln!(
            f,
            "\nwith four policies: first 202 after {:.0} ms, {:.0} ms with nothing compiled yet; {:.0} MiB resident then",
            ms(self.starts.warm),
            ms(self.starts.cold),
            mib(self.starts.resident)
        )
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
            curve: std::array::from_fn(|nth| {
                let mut values: Vec<f64> = own.iter().map(|cell| us(cell.curve[nth])).collect();
                values.sort_unstable_by(f64::total_cmp);
                quantile(&values, 0.5)
            }),
            processor: [
                median(|cell| us(cell.processor)),
                median(|cell| us(cell.upstream)),
                median(|cell| us(cell.driver)),
            ],
            resident: median(|cell| mib(cell.resident)),
        }
    }
}

impl Row {
    /// The latency within which `share` of all requests were answered; one of [`QUANTILES`].
    fn at(&self, share: f64) -> f64 {
        let place = QUANTILES.iter().position(|each| *each == share);
        self.curve[place.expect("it is one of those kept")]
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

/// Bytes as MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
