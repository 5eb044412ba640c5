//! Why something was refused, for whoever may ask.

/// What the digests of modules begin with; then 64 hexadecimal digits follow, or the first eight of them.
const DIGEST: &str = "sha256:";
const DIGITS: [usize; 2] = [8, 64];

/// `reason` without phone numbers, and without seven digits in a row but in digests and sizes: keys and values that a
/// file gives are repeated there, and a number may stand in one without its plus sign.
pub(crate) fn masked(reason: &str) -> String {
    let reason = telemetry::masked(reason);
    let words: Vec<&str> = reason.split_inclusive(' ').collect();
    let is_size = |nth: usize| {
        let is_unit = words.get(nth + 1).is_some_and(|next| next.starts_with("bytes"));
        is_unit && words[nth].trim_end().bytes().all(|byte| byte.is_ascii_digit())
    };
    let told = words.iter().enumerate();
    told.map(|(nth, word)| if is_size(nth) { (*word).to_owned() } else { but_digests(word) })
        .collect()
}

/// `word` without seven digits in a row, but for those of a digest.
fn but_digests(word: &str) -> String {
    let mut parts = word.split(DIGEST);
    let mut told = message::without_numbers(parts.next().unwrap_or_default());
    for part in parts {
        let hexadecimal = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        let digest = if DIGITS.contains(&hexadecimal) { hexadecimal } else { 0 };
        let (digest, after) = part.split_at(digest);
        told.extend([DIGEST, digest]);
        told += &message::without_numbers(after);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn numbers_are_masked_with_and_without_their_plus_sign() {
        for (reason, told) in [
            ("settings.14155550177: is no region", "settings.141•: is no region"),
            ("`+14155550123`, 4155550199", "`+1415•••0123`, 415•"),
            ("sha256:14155550177", "sha256:141•"),
        ] {
            assert_eq!(masked(reason), told);
        }
    }

    #[test]
    fn places_digests_sizes_and_generations_stay() {
        let digest = format!("m.wasm@sha256:{} is not there", "1234567890abcdef".repeat(4));
        for reason in [
            "sidecar.toml:1024:131072: is no key",
            "generation 123456",
            "it is larger than 67108864 bytes",
            "1.0.0 (sha256:12345678)",
            &digest,
        ] {
            assert_eq!(masked(reason), reason);
        }
    }
}
