//! What others in a trace say of it (W3C Trace Context, section 3.3), which goes on to the collector.

use http::HeaderMap;
use message::without_grouped_numbers;

/// The list, which may come in several fields (RFC 9110, section 5.3), without what may be a phone number.
pub(super) fn of(headers: &HeaderMap) -> Option<String> {
    let fields = headers.get_all("tracestate").iter();
    let lists: Vec<&str> = fields.filter_map(|field| field.to_str().ok()).collect();
    (!lists.is_empty()).then(|| without_numbers(&lists.join(",")))
}

/// The members of the list in which no phone number can be. Whoever passes the list on may leave members out.
fn without_numbers(list: &str) -> String {
    let kept: Vec<&str> =
        list.split(',').filter(|member| without_grouped_numbers(member) == *member).collect();
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
            (
                "qq=415-555-0188,ww=(415)555.0188,ee=415_555_0188,id=01a20a3f-186c-75a3-ab75-9f4d7264df4b",
                "id=01a20a3f-186c-75a3-ab75-9f4d7264df4b",
            ),
            ("", ""),
        ] {
            assert_eq!(without_numbers(list), kept, "{list}");
        }
    }
}
