use std::hint::black_box;

use policy_sdk::{Decision, PolicyError, log, state};

/// Bytes of each allocation of [`hoard`].
const CHUNK: usize = 1 << 20;

/// Computes without end.
pub(crate) fn spin() {
    let mut turns = 0_u64;
    while black_box(true) {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Allocates without end. It touches a little of each: a machine short of memory takes longer to give all of it than a
/// policy may.
pub(crate) fn hoard() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    while black_box(true) {
        let mut chunk = Vec::with_capacity(CHUNK);
        chunk.push(1);
        hoard.push(black_box(chunk));
    }
}

/// Calls itself without end.
pub(crate) fn overflow() {
    black_box(descend(0));
}

/// Logs `times` lines, or without end.
pub(crate) fn chatty(times: &str) {
    repeat(times, |turn| log::info(&format!("line {turn} of somebody who cannot stop talking")));
}

/// Asks the state `times` times, or without end, and takes no error for an answer.
pub(crate) fn greedy(times: &str) {
    repeat(times, |turn| drop(state::get(&format!("key-{turn}"))));
}

/// Accepts with `count` notes; with one where that is no number.
pub(crate) fn notes(count: &str) -> Decision {
    let count = count.parse::<u64>().unwrap_or(1);
    (0..count).fold(Decision::accept(), |decision, turn| {
        decision.warn(format!("test.note_{turn}"), "as the message asks")
    })
}

/// Accepts with one note: its key, then what it says.
pub(crate) fn note(said: &str) -> Decision {
    let (key, value) = said.split_once(' ').unwrap_or((said, ""));
    Decision::accept().note(key, value)
}

/// `request` with the recipient's number where that is asked for.
pub(crate) fn telling(request: &str, to: &str) -> String {
    let digits = to.trim_start_matches('+');
    let (area, rest) = digits.split_at_checked(digits.len().saturating_sub(7)).unwrap_or_default();
    let (area, (exchange, line)) =
        (area.trim_start_matches('1'), rest.split_at_checked(3).unwrap_or_default());
    let request = request.replace("{to}", digits);
    let request = request.replace("{dashed}", &format!("({area}) {exchange}-{line}"));
    request.replace("{spaced}", &format!("{area} {exchange} {line}"))
}

/// Cannot decide, and says `what` beside.
pub(crate) fn undecided(what: &str) -> PolicyError {
    let mut detail = "as the message asks".to_owned();
    if !what.is_empty() {
        detail = format!("{detail}: {what}");
    }
    PolicyError::new("undecided", detail)
}

fn repeat(times: &str, mut act: impl FnMut(u64)) {
    let times = times.parse::<u64>().ok();
    let mut turn = 0;
    while black_box(times.is_none_or(|times| turn < times)) {
        act(turn);
        turn += 1;
    }
}

/// Each frame keeps what it is given, so that no compiler makes a loop of it.
fn descend(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    if black_box(true) { descend(depth + 1) + black_box(frame)[0] } else { 0 }
}
