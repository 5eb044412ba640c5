/// When the app asked for the message with this id, in milliseconds since 1970: the first 48 bits of a UUIDv7 (RFC 9562,
/// section 5.7), which Sendgate's ids are. None where it is no such id.
///
/// A report tells of a message that may be days old; this says what else it is older than.
pub fn asked_at_ms(id: &str) -> Option<u64> {
    let is_v7 = id.len() == 36 && id.as_bytes().get(14) == Some(&b'7');
    let (high, low) = (id.get(..8)?, id.get(8..13)?.strip_prefix('-')?);
    let digits = [high, low].concat();
    (is_v7 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .then(|| u64::from_str_radix(&digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::asked_at_ms;

    #[test]
    fn an_id_tells_when_its_message_was_asked_for() {
        // The example of RFC 9562, A.6.
        assert_eq!(asked_at_ms("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), Some(1_645_557_742_000));
    }

    #[test]
    fn what_is_no_such_id_tells_nothing() {
        for id in [
            "",
            "m1",
            "919108f7-52d1-4320-9bac-f847db4148a8",
            "+17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
        ] {
            assert_eq!(asked_at_ms(id), None, "{id}");
        }
    }
}
