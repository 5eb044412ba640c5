//! Pages as Plivo numbers them: `limit` and `offset` (plivo-api.md 2.2).

use std::ops::Range;

use message::Fault;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::query::repeated;
use crate::reasons::masked;
use crate::whole::whole;

/// Most, and usual, records of one page (Plivo, "Messages": list all messages).
const PAGE: usize = 20;

/// Which page of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paging {
    limit: usize,
    offset: usize,
}

impl Paging {
    /// Reads a query. A parameter that is not served is a fault: left out, it would be answered with other messages
    /// than were asked for.
    ///
    /// # Errors
    ///
    /// Every fault of the query, with the parameter's name in its detail.
    pub(super) fn read(query: &str) -> Result<Self, Vec<Fault>> {
        let mut paging = Self { limit: PAGE, offset: 0 };
        let twice = |name: String| fault(format!("`{}` stands more than once", masked(&name)));
        let mut faults: Vec<Fault> = repeated(query).into_iter().map(twice).collect();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "limit" => match whole(&value) {
                    Some(limit @ 1..=PAGE) => paging.limit = limit,
                    _ => faults.push(fault("`limit` is not a whole number from 1 to 20".into())),
                },
                "offset" => match whole(&value) {
                    Some(offset) => paging.offset = offset,
                    None => {
                        faults.push(fault(
                            "`offset` is not a whole number of at least 0, or is too large".into(),
                        ));
                    }
                },
                _ => {
                    let name = masked(&name);
                    faults
                        .push(fault(format!("`{name}` is not served here; use limit and offset")));
                }
            }
        }
        if faults.is_empty() { Ok(paging) } else { Err(faults) }
    }

    /// The places of its records among `total`.
    pub(super) fn places(self, total: usize) -> Range<usize> {
        let start = self.offset.min(total);
        start..start.saturating_add(self.limit).min(total)
    }

    /// Plivo's `meta` of this page of `total` records, with the addresses of those beside it.
    pub(super) fn meta(self, total: usize, account: &str) -> Value {
        let Self { limit, offset } = self;
        let at =
            |offset: usize| format!("/v1/Account/{account}/Message/?limit={limit}&offset={offset}");
        let Range { start, end } = self.places(total);
        json!({
            "limit": limit,
            "offset": offset,
            "next": (end < total).then(|| at(end)),
            "previous": (offset > 0).then(|| at(start.saturating_sub(limit))),
            "total_count": total,
        })
    }
}

/// Its pointer is empty: Plivo's door would take the name of a parameter for that of a body's member.
fn fault(detail: String) -> Fault {
    Fault::new("", "body.bad_filter", detail)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Paging;

    fn link(limit: usize, offset: usize) -> Value {
        format!("/v1/Account/MA/Message/?limit={limit}&offset={offset}").into()
    }

    #[test]
    fn a_page_has_its_places_and_the_addresses_of_those_beside_it() {
        for (query, total, places, limit, offset, next, previous) in [
            ("", 0, 0..0, 20, 0, Value::Null, Value::Null),
            ("", 20, 0..20, 20, 0, Value::Null, Value::Null),
            ("", 45, 0..20, 20, 0, link(20, 20), Value::Null),
            ("limit=20&offset=20", 45, 20..40, 20, 20, link(20, 40), link(20, 0)),
            ("limit=20&offset=40", 45, 40..45, 20, 40, Value::Null, link(20, 20)),
            ("offset=1&limit=2", 5, 1..3, 2, 1, link(2, 3), link(2, 0)),
            ("limit=2&offset=90", 5, 5..5, 2, 90, Value::Null, link(2, 3)),
            (
                "limit=1&offset=18446744073709551615",
                0,
                0..0,
                1,
                usize::MAX,
                Value::Null,
                link(1, 0),
            ),
        ] {
            let paging = Paging::read(query).unwrap();
            assert_eq!(paging.places(total), places, "{query} of {total}");
            let wanted = json!({
                "limit": limit, "offset": offset, "next": next, "previous": previous, "total_count": total,
            });
            assert_eq!(paging.meta(total, "MA"), wanted, "{query} of {total}");
        }
    }

    #[test]
    fn a_query_says_each_of_its_faults_by_name() {
        for (query, names) in [
            ("limit=0", vec!["`limit`"]),
            ("limit=21", vec!["`limit`"]),
            ("limit=", vec!["`limit`"]),
            ("offset=-1", vec!["`offset`"]),
            ("limit=2&offset=0&limit=2", vec!["`limit`"]),
            ("offset=18446744073709551616", vec!["`offset`"]),
            (
                "message_state=sent&limit=x&to=14155550123",
                vec!["`message_state`", "`limit`", "`to`"],
            ),
        ] {
            let faults = Paging::read(query).unwrap_err();
            assert_eq!(faults.len(), names.len(), "{query}: {faults:?}");
            for (fault, name) in faults.iter().zip(names) {
                assert!(fault.detail.starts_with(name), "{query}: {}", fault.detail);
            }
        }
    }
}
