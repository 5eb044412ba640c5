//! What others in a trace say of it (W3C Trace Context, section 3.3), which goes on to the collector.

use message::has_number;

/// The members of the list in which no phone number can be. Whoever passes the list on may leave members out.
pub(super) fn without_numbers(list: &str) -> String {
    let kept: Vec<&str> = list.split(',').filter(|member| !has_number(member)).collect();
    kept.join(",")
}

#[cfg(test)]
mod tests {
    use super::without_numbers;

    #[test]
    fn a_member_with_a_number_is_left_out_and_the_others_stay_as_they_are() {
        for (list, kept) in [
            ("vendor=1", "vendor=1"),
            ("a=1, to=+14155550123 ,c=t61rcWkgMzE", "a=1,c=t61rcWkgMzE"),
            ("14155550123=x,b=123456", "b=123456"),
            ("to=14155550123", ""),
            ("", ""),
        ] {
            assert_eq!(without_numbers(list), kept, "{list}");
        }
    }
}
