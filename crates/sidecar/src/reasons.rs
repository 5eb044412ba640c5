//! Why something was refused, for whoever may ask.

/// What the digests of modules begin with; then 64 hexadecimal digits follow, or the first eight of them.
const DIGEST: &str = "sha256:";
const DIGITS: [usize; 2] = [8, 64];
/// Numbers of nobody, by which advice says what a number looks like.
const EXAMPLES: [&str; 2] = ["such as +14155550123", "such as +14155551212"];
/// What bounds stand behind, in our sentences and in the schema's.
const BOUNDS: [&str; 3] = [" whole number from ", " maximum of ", " minimum of "];
/// What a line's number in the configuration stands behind.
const FILE: &str = ".toml:";

/// `reason` without phone numbers, and without seven digits or more, in a row or grouped, as in the names of requests:
/// keys and values that a file gives are repeated there, and a number may stand in one however it is written. Digests,
/// sizes, bounds, places in a file and our own examples stay.
pub(crate) fn masked(reason: &str) -> String {
    let example = EXAMPLES.iter().find_map(|example| {
        reason.split_once(example).map(|(before, after)| (before, *example, after))
    });
    if let Some((before, example, after)) = example
        && !after.starts_with(|c: char| c.is_ascii_digit())
    {
        return masked(before) + example + &masked(after);
    }
    let reason = telemetry::masked(reason);
    let (mut told, mut rest) = (String::with_capacity(reason.len()), 0);
    for (at, _) in reason.char_indices() {
        let kept = if at < rest { 0 } else { kept(&reason[..at], &reason[at..]) };
        if kept > 0 {
            told += &message::without_grouped_numbers(&reason[rest..at]);
            told += &reason[at..at + kept];
            rest = at + kept;
        }
    }
    told += &message::without_grouped_numbers(&reason[rest..]);
    told
}

/// How much of `from`, which stands behind `before`, is a digest, a size, or a line and a column.
fn kept(before: &str, from: &str) -> usize {
    let row = |of: &str, is_digit: fn(&u8) -> bool| of.bytes().take_while(is_digit).count();
    if let Some(digest) = from.strip_prefix(DIGEST) {
        let digits = row(digest, u8::is_ascii_hexdigit);
        return DIGEST.len() + if DIGITS.contains(&digits) { digits } else { 0 };
    }
    let digits = row(from, u8::is_ascii_digit);
    let (of_line, after) = from.split_at(digits);
    let of_column = after.strip_prefix(':').map_or(0, |after| row(after, u8::is_ascii_digit));
    if before.ends_with(FILE) && !of_line.is_empty() && of_column > 0 {
        return digits + 1 + of_column;
    }
    // `give a whole number from 1 to 16777216`
    let lower = before
        .strip_suffix(" to ")
        .map(|range| range.trim_end_matches(|c: char| c.is_ascii_digit()));
    if [Some(before), lower]
        .into_iter()
        .flatten()
        .any(|before| BOUNDS.iter().any(|bound| before.ends_with(bound)))
    {
        return digits;
    }
    // Behind another number it may be the end of one that is grouped.
    let is_word = before.is_empty()
        || before.strip_suffix(' ').is_some_and(|before| before.ends_with(char::is_alphabetic));
    if is_word && after.starts_with(" bytes") { digits } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn numbers_are_masked_with_and_without_their_plus_sign_and_however_they_are_grouped() {
        for (reason, told) in [
            ("settings.14155550177: is no region", "settings.141•: is no region"),
            ("`+14155550123`, 4155550199", "`+1415•••0123`, 415•"),
            ("sha256:14155550177", "sha256:141•"),
            (
                "is 14155550177; give a whole number from 1 to 9",
                "is 141•; give a whole number from 1 to 9",
            ),
            (
                "sidecar.toml:287:10: settings.415-555-7788: is no key",
                "sidecar.toml:287:10: settings.415•: is no key",
            ),
            ("settings.(415) 555.7788: is no key", "settings.(415•: is no key"),
            ("settings.1 415 555 7788 bytes", "settings.1 41• bytes"),
        ] {
            assert_eq!(masked(reason), told);
        }
    }

    #[test]
    fn what_is_no_number_stays_readable() {
        let digest = format!("m.wasm@sha256:{} is not there", "1234567890abcdef".repeat(4));
        for reason in [
            "sidecar.toml:1024:131072: is no key",
            "generation 123456",
            "it is larger than 67108864 bytes",
            "10485760 bytes, and 67108864 bytes are the most",
            "1.0.0 (sha256:12345678)",
            "1.2.3",
            "1.10.0-2 is not 1.2.3",
            "line 12:5",
            "2026-11-29",
            "since 2026-11-29T17:05:33.123Z",
            "settings.quiet: `21:00-08:00` is no span",
            "127.0.0.1:8080 is held already",
            "[2001:db8::1]:8080 is held already",
            "is not E.164, such as +14155551212; give one",
            "listen.max_header_bytes: is 5; give a whole number from 8192 to 1048576",
            "settings.limits.0.quota: the value is greater than the maximum of 4294967295",
            "policies/2026-11-29/quiet-1.2.3.wasm: no such file",
            "conf.d/10-apps.toml:12:5: is no key",
            "01a22461-1a22-764b-b9b9-d41d0371886d",
            &digest,
        ] {
            assert_eq!(masked(reason), reason);
        }
    }
}
