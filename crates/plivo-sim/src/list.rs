//! `GET …/Message/?…`: filters and pages.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::Queued;

/// Most, and usual, entries of a page (Plivo, "Messages").
const PAGE: usize = 20;
/// Plivo's forms of an instant in a filter.
const INSTANTS: [&str; 3] = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"];

/// One list call, read from its query.
#[derive(Debug)]
pub(crate) struct Listing {
    filters: Vec<Filter>,
    /// The query without `limit` and `offset`, for the next page.
    rest: Vec<(String, String)>,
    limit: usize,
    offset: usize,
}

#[derive(Debug)]
enum Filter {
    To(String),
    From(String),
    State(String),
    Type(String),
    ErrorCode(String),
    Pool(String),
    Direction(String),
    Time(Comparison, Timestamp),
    /// A property that no message here has.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equal,
    After,
    AtOrAfter,
    Before,
    AtOrBefore,
}

impl Listing {
    /// Reads a query; an unknown filter is ignored, as Plivo's generic parameters are.
    pub(crate) fn read(query: &str) -> Result<Self, String> {
        let mut listing = Self { filters: Vec::new(), rest: Vec::new(), limit: PAGE, offset: 0 };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()).into_owned() {
            match name.as_str() {
                "limit" => listing.limit = in_range(&name, &value, 1, PAGE)?,
                "offset" => listing.offset = in_range(&name, &value, 0, usize::MAX)?,
                _ => {
                    listing.filters.extend(Filter::read(&name, &value)?);
                    listing.rest.push((name, value));
                }
            }
        }
        Ok(listing)
    }

    /// The page asked for, newest first, but for `api_id`.
    pub(crate) fn page<'a>(
        &self,
        messages: impl DoubleEndedIterator<Item = &'a Queued>,
        auth_id: &str,
    ) -> Value {
        let found: Vec<&Queued> = messages
            .rev()
            .filter(|message| self.filters.iter().all(|filter| filter.matches(message)))
            .collect();
        let page = found.iter().skip(self.offset).take(self.limit);
        let objects: Vec<Value> = page.map(|message| message.details()).collect();
        json!({ "meta": self.meta(found.len(), auth_id, "Message"), "objects": objects })
    }

    /// A page of anything else that is listed.
    pub(crate) fn plain_page(&self, all: &[Value], auth_id: &str, resource: &str) -> Value {
        let objects: Vec<&Value> = all.iter().skip(self.offset).take(self.limit).collect();
        json!({ "meta": self.meta(all.len(), auth_id, resource), "objects": objects })
    }

    fn meta(&self, total: usize, auth_id: &str, resource: &str) -> Value {
        let at = |offset: usize| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("limit", &self.limit.to_string());
            query.append_pair("offset", &offset.to_string());
            query.extend_pairs(&self.rest);
            format!("/v1/Account/{auth_id}/{resource}/?{}", query.finish())
        };
        let after = self.offset.saturating_add(self.limit);
        json!({
            "limit": self.limit,
            "offset": self.offset,
            "next": (after < total).then(|| at(after)),
            "previous": (self.offset > 0).then(|| at(self.offset.saturating_sub(self.limit))),
            "total_count": total,
        })
    }
}

impl Filter {
    fn read(name: &str, value: &str) -> Result<Option<Self>, String> {
        let digits = || value.chars().filter(char::is_ascii_alphanumeric).collect();
        let value = value.to_owned();
        Ok(Some(match name {
            // Plivo's command-line tool sends the short names.
            "to_number" | "to" => Self::To(digits()),
            "from_number" | "from" => Self::From(digits()),
            "message_state" => Self::State(value),
            "message_type" => Self::Type(value),
            "error_code" => Self::ErrorCode(value),
            "powerpack_id" => Self::Pool(value),
            "message_direction" => Self::Direction(value),
            "subaccount" | "tendlc_campaign_id" | "conversation_id" => Self::Nothing,
            _ => {
                let Some(comparison) = Comparison::read(name) else { return Ok(None) };
                Self::Time(comparison, instant(name, &value)?)
            }
        }))
    }

    fn matches(&self, message: &Queued) -> bool {
        match self {
            Self::To(number) => message.dst == *number,
            Self::From(number) => message.src == *number,
            Self::State(state) => message.state.as_str() == state,
            Self::Type(kind) => message.kind == *kind,
            Self::ErrorCode(code) => message.error_code.as_ref() == Some(code),
            Self::Pool(pool) => message.powerpack_uuid == *pool,
            Self::Direction(direction) => direction == "outbound",
            Self::Time(comparison, instant) => comparison.holds(message.queued_at, *instant),
            Self::Nothing => false,
        }
    }
}

impl Comparison {
    fn read(name: &str) -> Option<Self> {
        match name.strip_prefix("message_time")? {
            "" => Some(Self::Equal),
            "__gt" => Some(Self::After),
            "__gte" => Some(Self::AtOrAfter),
            "__lt" => Some(Self::Before),
            "__lte" => Some(Self::AtOrBefore),
            _ => None,
        }
    }

    fn holds(self, time: Timestamp, bound: Timestamp) -> bool {
        match self {
            Self::Equal => time == bound,
            Self::After => time > bound,
            Self::AtOrAfter => time >= bound,
            Self::Before => time < bound,
            Self::AtOrBefore => time <= bound,
        }
    }
}

fn in_range(name: &str, value: &str, least: usize, most: usize) -> Result<usize, String> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{name} parameter is invalid"))
}

/// Reads an instant; without an offset it is taken as UTC.
fn instant(name: &str, value: &str) -> Result<Timestamp, String> {
    if let Ok(instant) = value.parse::<Timestamp>() {
        return Ok(instant);
    }
    let read = INSTANTS.iter().find_map(|form| DateTime::strptime(form, value).ok());
    read.and_then(|time| time.to_zoned_datetime(TimeZone::UTC).ok())
        .map(|zoned| zoned.timestamp())
        .ok_or_else(|| format!("{name} parameter is invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TextLength;
    use crate::messages::Messages;
    use crate::send::Send;

    fn messages(count: usize) -> Messages {
        let mut messages = Messages::default();
        for n in 0..count {
            let dst = if n % 2 == 0 { "14155550123" } else { "14155550124" };
            let body = json!({"src": "14155551212", "dst": dst, "text": "hi"}).to_string();
            let send = Send::read(body.as_bytes(), TextLength::Characters).ok().unwrap();
            messages.queue(&send, ("MA", "api"), 1, 1);
        }
        messages
    }

    fn page(messages: &Messages, query: &str) -> Value {
        Listing::read(query).unwrap().page(messages.iter(), "MA")
    }

    #[test]
    fn pages_are_linked_and_counted() {
        let messages = messages(45);
        let first = page(&messages, "");
        assert_eq!(first["objects"].as_array().unwrap().len(), 20);
        assert_eq!(first["meta"]["total_count"], 45);
        assert_eq!(first["meta"]["previous"], Value::Null);
        assert_eq!(first["meta"]["next"], "/v1/Account/MA/Message/?limit=20&offset=20");
        let last = page(&messages, "limit=20&offset=40");
        assert_eq!(last["objects"].as_array().unwrap().len(), 5);
        assert_eq!(last["meta"]["next"], Value::Null);
        assert_eq!(last["meta"]["previous"], "/v1/Account/MA/Message/?limit=20&offset=20");
    }

    #[test]
    fn filters_narrow_and_stay_in_the_links() {
        let messages = messages(45);
        for query in ["to_number=%2B14155550124&limit=3", "to=14155550124&limit=3"] {
            let found = page(&messages, query);
            assert_eq!(found["meta"]["total_count"], 22, "{query}");
            let next = found["meta"]["next"].as_str().unwrap();
            assert!(next.contains("14155550124"), "{next}");
        }
        for (query, count) in [
            ("message_state=queued&message_type=sms", 45),
            ("message_state=delivered", 0),
            ("from_number=14155551212", 45),
            ("message_time__gte=2000-01-01%2000%3A00", 45),
            ("message_time__gt=2000-01-01 00:00:00.000001", 45),
            ("message_time__lt=2000-01-01 00:00:00", 0),
            ("subaccount=SAXXXXXXXXXXXXXXXXXX", 0),
            ("something=else", 45),
        ] {
            assert_eq!(page(&messages, query)["meta"]["total_count"], count, "{query}");
        }
    }

    #[test]
    fn bounds_and_instants_that_cannot_be_read_are_refused() {
        for query in ["limit=0", "limit=21", "limit=x", "offset=-1", "message_time__gt=soon"] {
            assert!(Listing::read(query).is_err(), "{query}");
        }
    }
}
