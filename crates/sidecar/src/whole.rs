//! Whole numbers as requests write them.

use std::str::FromStr;

/// The number that `text` is: digits alone, where the standard library takes a plus sign before them too.
pub(crate) fn whole<T: FromStr>(text: &str) -> Option<T> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn a_whole_number_is_digits_alone() {
        assert_eq!((whole("0"), whole("65535")), (Some(0_u16), Some(65_535)));
        for none in ["", "+5", "-5", "5.0", "1e2", " 5", "\u{665}", "65536"] {
            assert_eq!(whole::<u16>(none), None, "{none:?}");
        }
    }
}
