//! What a request's `Accept` weighs (RFC 9110, 12.5.1).

/// How much it wants the first of `ranges` that it names, from the nearest to the widest, in thousandths; 0 where it names
/// none.
pub(super) fn weight(accept: &str, ranges: &[&str]) -> u32 {
    let of = |range: &&str| accept.split(',').find_map(|element| of_element(element, range));
    ranges.iter().find_map(of).unwrap_or_default()
}

/// How much an element of `Accept` wants `range`, in thousandths; none where it is about another.
fn of_element(element: &str, range: &str) -> Option<u32> {
    let mut parts = element.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(range) {
        return None;
    }
    let q = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim_end().eq_ignore_ascii_case("q").then(|| value.trim_start())
    });
    // What is no weight weighs nothing: the other form is what everything reads.
    Some(q.map_or(1_000, |q| thousandths(q).unwrap_or_default()))
}

/// `0.25`, with up to three digits after the point (RFC 9110, 12.4.2).
fn thousandths(q: &str) -> Option<u32> {
    let (whole, rest) = q.split_once('.').unwrap_or((q, ""));
    let digits = rest.len() <= 3 && rest.bytes().all(|b| b.is_ascii_digit());
    match whole {
        "0" if digits => format!("{rest:0<3}").parse().ok(),
        "1" if digits && rest.bytes().all(|b| b == b'0') => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::weight;

    #[test]
    fn the_nearest_range_decides_and_what_is_no_weight_weighs_nothing() {
        let plain = ["text/plain", "text/*", "*/*"];
        for (accept, wanted) in [
            ("text/plain", 1_000),
            ("TEXT/plain ; Q = 0.25", 250),
            ("*/*;q=0.9, text/plain;q=0.1", 100),
            ("*/*;q=0.9, text/*;q=0.001", 1),
            ("text/plain;version=0.0.4;q=1.000", 1_000),
            ("text/plain;q=0", 0),
            ("text/html", 0),
            ("", 0),
            ("text/plain;q=1.5", 0),
            ("text/plain;q=0.1234", 0),
            ("text/plain;q=-1", 0),
            ("text/plain;q=", 0),
        ] {
            assert_eq!(weight(accept, &plain), wanted, "{accept}");
        }
    }
}
