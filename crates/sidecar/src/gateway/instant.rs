//! Instants as apps write them.

use message::Timestamp;

/// Digits of a fraction that make a difference.
const FRACTION: usize = 9;

/// An instant of RFC 3339 (section 5.6), and of nothing that only looks like it: an hour of 25 or a zone by name would
/// be sent at another time than was meant. One before 1970 is 1970.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't'])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            (Some(&rest[..end]).filter(|digits| !digits.is_empty())?, &rest[end..])
        }
        None => ("0", rest),
    };
    let is_zone = match zone.strip_prefix(['+', '-']) {
        Some(offset) => is(offset, "dd:dd") && offset < "24" && offset.get(3..)? < "60",
        None => matches!(zone, "Z" | "z"),
    };
    if !(is(date, "dddd-dd-dd") && is(time, "dd:dd:dd") && is_zone) {
        return None;
    }
    let fraction = &fraction[..fraction.len().min(FRACTION)];
    let written = format!("{date}T{time}.{fraction}{}", zone.to_ascii_uppercase());
    let instant: jiff::Timestamp = written.parse().ok()?;
    if time.ends_with(":60") && !ends_a_month(instant) {
        return None;
    }
    let ms = instant.as_millisecond();
    Some(Timestamp(u64::try_from(ms).unwrap_or_default()))
}

/// Whether it is in the last minute of a month of UTC, where a second may be added (RFC 3339, section 5.7).
fn ends_a_month(instant: jiff::Timestamp) -> bool {
    let month = |at| jiff::tz::Offset::UTC.to_datetime(at).month();
    let next = instant.checked_add(jiff::SignedDuration::from_mins(1));
    next.is_ok_and(|next| month(next) != month(instant))
}

/// Whether `text` is as `form` has it, a `d` of which is a digit.
fn is(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

#[cfg(test)]
mod tests {
    use message::Timestamp;

    use super::read;

    #[test]
    fn an_instant_is_one_of_rfc_3339() {
        let noon = 1_795_953_600_000;
        for (text, ms) in [
            ("2026-11-29T12:00:00Z", noon),
            ("2026-11-29t12:00:00z", noon),
            ("2026-11-29T12:00:00.000Z", noon),
            ("2026-11-29T12:00:00.5Z", noon + 500),
            ("2026-11-29T12:00:00.1234567890123Z", noon + 123),
            ("2026-11-29T17:30:00+05:30", noon),
            ("2026-11-29T12:00:00-00:00", noon),
            ("2026-11-28T12:01:00-23:59", noon),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000),
            ("2016-12-31T15:59:60-08:00", 1_483_228_799_000),
            ("1969-07-20T20:17:40Z", 0),
        ] {
            assert_eq!(read(text), Some(Timestamp(ms)), "{text}");
        }
        for text in [
            "",
            "2026-11-29",
            "2026-11-29 12:00:00Z",
            "2026-11-29T12:00Z",
            "2026-11-29T12:00:00",
            "2026-11-29T12:00:00,5Z",
            "2026-11-29T12:00:00.Z",
            "2026-11-29T12:00:00.5",
            "20261129T120000Z",
            "+002026-11-29T12:00:00Z",
            "2026-11-29T12:00:00+25:00",
            "2026-11-29T12:00:00+24:00",
            "2026-11-29T12:00:00+05:60",
            "2026-11-29T12:00:00+0530",
            "2026-11-29T12:00:00+05",
            "2026-11-29T12:00:00+05:30:15",
            "2026-11-29T12:00:00Z[America/New_York]",
            "2026-11-29T12:00:00-05:00[America/New_York]",
            "2026-11-29T12:00:60Z",
            "2026-12-01T23:59:60Z",
            "9999-12-31T23:59:60Z",
            "2026-11-29T24:00:00Z",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-11-29T12:00:00Zé",
            "２026-11-29T12:00:00Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
