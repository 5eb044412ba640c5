//! What many runs came to, by place.

use std::collections::BTreeMap;
use std::fmt;

use crate::count::Played;
use crate::place::Place;

/// Sums, by the place of the kill.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<Place, Row>);

#[derive(Clone, Copy, Default)]
struct Row {
    runs: usize,
    reached: usize,
    sent: usize,
    replayed: usize,
    given_up: usize,
    unknown: usize,
    resent: usize,
    duplicates: usize,
    losses: usize,
}

impl Table {
    pub(crate) fn add(&mut self, place: Place, played: &Played) {
        self.0.entry(place).or_default().add(&Row {
            runs: 1,
            reached: usize::from(played.reached),
            sent: played.sent,
            replayed: played.replayed,
            given_up: played.given_up,
            unknown: played.unknown,
            resent: played.resent,
            duplicates: played.duplicates.len(),
            losses: played.losses.len(),
        });
    }

    /// Places that were tried and never reached.
    pub(crate) fn never_reached(&self) -> Vec<Place> {
        let never = self.0.iter().filter(|(_, row)| row.reached == 0);
        never.map(|(place, _)| *place).collect()
    }
}

impl Row {
    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.reached += other.reached;
        self.sent += other.sent;
        self.replayed += other.replayed;
        self.given_up += other.given_up;
        self.unknown += other.unknown;
        self.resent += other.resent;
        self.duplicates += other.duplicates;
        self.losses += other.losses;
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, name: impl fmt::Display) -> fmt::Result {
        let Self { runs, reached, sent, replayed, given_up, unknown, resent, duplicates, losses } =
            self;
        writeln!(
            f,
            "{name:<40} {runs:>6} {reached:>6} {sent:>6} {replayed:>8} {given_up:>8} {unknown:>7} {resent:>6} {duplicates:>10} {losses:>6}"
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = [
            "runs",
            "killed",
            "sent",
            "replayed",
            "given up",
            "unknown",
            "resent",
            "duplicates",
            "losses",
        ];
        let [runs, killed, sent, replayed, given_up, unknown, resent, duplicates, losses] = heading;
        writeln!(
            f,
            "{:<40} {runs:>6} {killed:>6} {sent:>6} {replayed:>8} {given_up:>8} {unknown:>7} {resent:>6} {duplicates:>10} {losses:>6}",
            "killed at"
        )?;
        let mut all = Row::default();
        for (place, row) in &self.0 {
            row.write(f, place)?;
            all.add(row);
        }
        all.write(f, "all")
    }
}
