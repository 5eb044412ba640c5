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
    /// Runs in which nothing may be sent twice.
    fail: usize,
    /// Runs in which what nobody knows of is sent again.
    resend: usize,
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
    /// `resends`: whether what nobody knows of was to be sent again.
    pub(crate) fn add(&mut self, place: Place, resends: bool, played: &Played) {
        self.0.entry(place).or_default().add(&Row {
            fail: usize::from(!resends),
            resend: usize::from(resends),
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
        self.fail += other.fail;
        self.resend += other.resend;
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
        let Self { fail, resend, reached, sent, replayed, .. } = self;
        let Self { given_up, unknown, resent, duplicates, losses, .. } = self;
        write!(f, "{name:<40} {fail:>6} {resend:>6} {reached:>6} {sent:>6} {replayed:>8} ")?;
        writeln!(f, "{given_up:>8} {unknown:>7} {resent:>6} {duplicates:>10} {losses:>6}")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "runs under on_unresolved = \"fail\" and \"resend\", what came of their messages"
        )?;
        writeln!(
            f,
            "{:<40} {:>6} {:>6} {:>6} {:>6} {:>8} {:>8} {:>7} {:>6} {:>10} {:>6}",
            "killed at",
            "fail",
            "resend",
            "killed",
            "sent",
            "replayed",
            "given up",
            "unknown",
            "resent",
            "duplicates",
            "losses",
        )?;
        let mut all = Row::default();
        for (place, row) in &self.0 {
            row.write(f, place)?;
            all.add(row);
        }
        all.write(f, "all")
    }
}
