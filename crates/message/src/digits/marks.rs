//! What has as many digits as a number and is none: UUIDs, dates, times and IP addresses.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::{Range, RangeInclusive};

use super::is_uuid;

/// No mark has more bytes: a name may be as long as a body, and is looked at once from each of its characters.
const MOST: usize = 64;

/// Where they stand in `text`, in that order.
///
/// One that other digits stand close to, as in `415.2026-11-29`, is a part of something else.
pub(super) fn in_text(text: &str) -> Vec<Range<usize>> {
    let mut marks: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.char_indices() {
        let (before, from) = text.split_at(at);
        if marks.last().is_some_and(|mark| at < mark.end) || !stands_apart(before.chars().rev()) {
            continue;
        }
        let head = &from[..from.floor_char_boundary(MOST)];
        let length = uuid(head).or_else(|| address(head)).or_else(|| moment(head));
        if let Some(length) = length.filter(|length| stands_apart(from[*length..].chars())) {
            marks.push(at..at + length);
        }
    }
    marks
}

/// Whether what is beside it, away from it, begins with neither a letter, a digit, nor a sign between it and a digit.
fn stands_apart(mut beside: impl Iterator<Item = char>) -> bool {
    match beside.next() {
        None => true,
        Some(c) if c.is_alphanumeric() => false,
        Some(c) if c.is_whitespace() || c == '/' => true,
        Some(_) => !beside.next().is_some_and(char::is_numeric),
    }
}

fn uuid(text: &str) -> Option<usize> {
    let word = row(text, |c| c.is_ascii_alphanumeric() || c == '-');
    is_uuid(word).then_some(word.len())
}

/// With the port.
fn address(text: &str) -> Option<usize> {
    let v4 = row(text, |c| c.is_ascii_digit() || c == '.').trim_end_matches('.');
    if v4.parse::<Ipv4Addr>().is_ok() {
        let port = text[v4.len()..].strip_prefix(':').map(|after| row(after, is_digit));
        let port = port.filter(|port| port.parse::<u16>().is_ok());
        return Some(v4.len() + port.map_or(0, |port| 1 + port.len()));
    }
    let v6 = row(text, |c| c.is_ascii_hexdigit() || c == ':' || c == '.');
    // In a sentence a colon or a full stop follows.
    let ends = [v6, v6.strip_suffix([':', '.']).unwrap_or_default()];
    ends.iter().find(|v6| v6.parse::<Ipv6Addr>().is_ok()).map(|v6| v6.len())
}

/// A date, a time of day, or both (RFC 3339).
fn moment(text: &str) -> Option<usize> {
    let Some(date) = date(text) else { return time(text) };
    let of_day = text[date..].strip_prefix(['T', 't', ' ']).and_then(time);
    Some(date + of_day.map_or(0, |time| 1 + time))
}

fn date(text: &str) -> Option<usize> {
    let sign = text.chars().nth(4).filter(|sign| matches!(sign, '-' | '.' | '/'))?;
    let mut parts = text.splitn(3, sign);
    let (year, month, day) = (parts.next()?, parts.next()?, row(parts.next()?, is_digit));
    let is_date =
        within(year, 4, 1900..=2099) && within(month, 2, 1..=12) && within(day, 2, 1..=31);
    is_date.then_some(year.len() + month.len() + day.len() + 2)
}

/// With the offset from UTC, which looks like the end of a span: `21:00-08:00`.
fn time(text: &str) -> Option<usize> {
    let length = clock(text)?;
    let after = &text[length..];
    let offset = after.strip_prefix(['+', '-']).and_then(clock).map_or(0, |offset| 1 + offset);
    Some(length + if after.starts_with(['Z', 'z']) { 1 } else { offset })
}

fn clock(text: &str) -> Option<usize> {
    let (hour, rest) = text.split_once(':')?;
    let minute = row(rest, is_digit);
    if minute.len() != 2 || !within(hour, 2, 0..=24) || !within(minute, 2, 0..=59) {
        return None;
    }
    let mut length = hour.len() + 1 + minute.len();
    let second = text[length..].strip_prefix(':').map(|after| row(after, is_digit));
    if let Some(second) = second.filter(|second| second.len() == 2) {
        length += 1 + second.len();
        let part = text[length..].strip_prefix('.').map_or("", |after| row(after, is_digit));
        length += if (1..=9).contains(&part.len()) { 1 + part.len() } else { 0 };
    }
    Some(length)
}

/// Whether it is at most `most` digits, and their number one of these.
fn within(digits: &str, most: usize, range: RangeInclusive<u16>) -> bool {
    let is_short = digits.len() <= most && digits.chars().all(is_digit);
    is_short && digits.parse().is_ok_and(|number| range.contains(&number))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// What `text` begins with, as far as it `fits`.
fn row(text: &str, fits: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !fits(c)).unwrap_or(text.len())]
}
