//! When a message may be sent, and until when.

use std::time::Duration;

use message::{Change, Fault, Timestamp, limits};

use super::super::faults::Faults;
use super::super::instant;
use super::super::order::{At, HORIZON_S, ttl_is};
use super::change;

const HORIZON: Duration = Duration::from_secs(HORIZON_S);

pub(super) fn ttl(
    ttl_s: Option<&At<u64>>,
    faults: &mut Faults,
    changes: &mut Vec<Change>,
) -> Option<u32> {
    let at = ttl_s?;
    let least = *limits::EXPIRY_S.start();
    match u32::try_from(at.value) {
        Ok(seconds) if seconds >= least && at.value <= HORIZON_S => {
            if !limits::EXPIRY_S.contains(&seconds) {
                changes.push(change(
                    "ttl.default",
                    "Plivo's own lifetime of 10,800 s applies at Plivo",
                ));
            }
            Some(seconds)
        }
        _ => {
            let detail = format!("is not {}", ttl_is());
            faults.push(Fault::new(&at.pointer, "ttl.out_of_range", detail));
            None
        }
    }
}

pub(super) fn not_before(
    at: Option<&At<String>>,
    now: Timestamp,
    faults: &mut Faults,
) -> Option<Timestamp> {
    let at = at?;
    match instant::read(&at.value) {
        Some(instant) if instant <= now.after(HORIZON) => Some(instant),
        Some(_) => {
            faults.push(Fault::new(&at.pointer, "ttl.not_before", "is more than seven days away"));
            None
        }
        None => {
            let detail = "is not an instant of RFC 3339, such as 2026-11-23T08:00:00Z";
            faults.push(Fault::new(&at.pointer, "ttl.not_before", detail));
            None
        }
    }
}
