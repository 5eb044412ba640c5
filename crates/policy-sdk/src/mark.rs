use sha2::{Digest, Sha256};

/// Bytes of the digest that a mark keeps: 128 bits, so that two of a billion marks meet by chance once in 10^20.
const KEPT: usize = 16;

/// A short name for `parts` that says nothing of them: the first half of their SHA-256 in hexadecimal, 32 characters.
///
/// Use it for keys of [`state`](crate::state), so that no number and no text is kept in the clear. Each part counts
/// with its length, so `["ab", "c"]` and `["a", "bc"]` differ. Phone numbers are few enough to be tried one by one:
/// give a secret `salt` from the settings where whoever reads the store must not find them so.
pub fn mark<'a>(salt: &'a str, parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for part in std::iter::once(salt).chain(parts) {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    hex(&digest.finalize()[..KEPT])
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::mark;

    #[test]
    fn a_mark_is_the_truncated_sha_256_of_length_prefixed_parts() {
        // sha256(b"\0"*8 + b"\x02" + b"\0"*7 + b"ab"), computed elsewhere.
        assert_eq!(mark("", ["ab"]), "308f2f9777ce5265f038ac0492616b46");
    }

    #[test]
    fn where_parts_begin_and_what_salt_is_used_makes_a_difference() {
        let marks = [
            mark("", ["ab", "c"]),
            mark("", ["a", "bc"]),
            mark("", ["abc"]),
            mark("s", ["ab", "c"]),
        ];
        let different: std::collections::HashSet<&String> = marks.iter().collect();
        assert_eq!(different.len(), marks.len(), "{marks:?}");
    }
}
