//! What every reader of a query refuses.

use url::form_urlencoded;

/// The parameters of `query` that stand more than once, each named once: whichever of them is taken, the other was
/// meant too.
pub(crate) fn repeated(query: &str) -> Vec<String> {
    repeated_of(form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name))
}

/// As [`repeated`], of names that were read already.
pub(crate) fn repeated_of(names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    let (mut seen, mut again) = (Vec::new(), Vec::new());
    for name in names {
        let name = name.as_ref().to_owned();
        let list = if seen.contains(&name) { &mut again } else { &mut seen };
        if !list.contains(&name) {
            list.push(name);
        }
    }
    again
}

#[cfg(test)]
mod tests {
    use super::repeated;

    #[test]
    fn a_parameter_that_stands_three_times_is_named_once() {
        assert_eq!(repeated("a=1&b=2&%61=3&c&a&b=2"), ["a", "b"]);
        assert_eq!(repeated("a=1&A=2&b"), [""; 0]);
        assert_eq!(repeated(""), [""; 0]);
    }
}
