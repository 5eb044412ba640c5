//! A message's labels: the app's own, and what the request tells of the recipient and of whoever is behind it.

use std::net::IpAddr;

use message::{Fault, Timestamp, facts};

use super::super::faults::Faults;
use super::super::json;
use super::super::order::Order;

/// Most labels of one message.
const TAGS: usize = 16;
/// Most bytes of a label's key.
const KEY_BYTES: usize = 64;
/// Most bytes of a label's value.
const VALUE_BYTES: usize = 256;

/// The labels. What is a member of the request stands under its own name, so that every policy sees it, and takes the
/// place of a label called so.
pub(super) fn of(order: &Order, now: Timestamp, faults: &mut Faults) -> Vec<(String, String)> {
    let mut tags = order.tags.clone();
    if tags.len() > TAGS {
        let detail = format!("has {} labels; at most {TAGS} are taken", tags.len());
        faults.push(Fault::new("/tags", "body.too_many_tags", detail));
    }
    for (key, value) in &tags {
        let at = || format!("/tags/{}", json::escape(key));
        if key.is_empty() {
            faults.push(Fault::new(at(), "body.too_many_tags", "has no name; give the label one"));
        }
        if key.len() > KEY_BYTES {
            let detail = format!("its name has {} bytes; at most {KEY_BYTES} are taken", key.len());
            faults.push(Fault::new(at(), "body.too_many_tags", detail));
        }
        if value.len() > VALUE_BYTES {
            let detail = format!("has {} bytes; at most {VALUE_BYTES} are taken", value.len());
            faults.push(Fault::new(at(), "body.too_many_tags", detail));
        }
    }
    if let Some(zone) = &order.recipient_tz {
        if facts::offsets(&zone.value, now, now).is_empty() {
            let detail = "is no time zone; give an IANA name such as America/New_York";
            faults.push(Fault::new(&zone.pointer, "body.bad_time_zone", detail));
        }
        put(&mut tags, "recipient_tz", &zone.value);
    }
    if let Some(ip) = &order.end_user_ip {
        // However it is spelled, it is one address: what counts by it must not be passed by another spelling.
        match ip.value.parse::<IpAddr>() {
            Ok(address) => put(&mut tags, "end_user_ip", &address.to_canonical().to_string()),
            Err(_) => {
                let detail = "is no IP address, such as 203.0.113.7 or 2001:db8::7";
                faults.push(Fault::new(&ip.pointer, "body.bad_ip", detail));
            }
        }
    }
    tags
}

fn put(tags: &mut Vec<(String, String)>, key: &str, value: &str) {
    tags.retain(|(known, _)| known != key);
    tags.push((key.to_owned(), value.to_owned()));
}

#[cfg(test)]
mod tests {
    use super::super::super::order::At;
    use super::*;

    fn labels(order: &Order) -> (Vec<(String, String)>, Vec<String>) {
        let mut faults = Faults::default();
        let tags = of(order, Timestamp(1_800_000_000_000), &mut faults);
        let said = |fault: &Fault| format!("{} {}", fault.pointer, fault.code);
        (tags, faults.told().iter().map(said).collect())
    }

    fn tag(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn members_are_labels_and_win_over_labels_of_their_name() {
        let order = Order {
            tags: vec![tag("recipient_tz", "UTC"), tag("order", "17")],
            recipient_tz: Some(At::new("/recipient_tz", "Asia/Tokyo".into())),
            end_user_ip: Some(At::new("/end_user_ip", "2001:db8::7".into())),
            ..Order::default()
        };
        let expected = [
            tag("order", "17"),
            tag("recipient_tz", "Asia/Tokyo"),
            tag("end_user_ip", "2001:db8::7"),
        ];
        assert_eq!(labels(&order), (expected.to_vec(), vec![]));
    }

    #[test]
    fn each_label_that_is_too_long_is_told_at_its_name() {
        let (name, value) = ("n".repeat(KEY_BYTES + 1), "v".repeat(VALUE_BYTES + 1));
        let tags = vec![tag("order/id", &value), tag("shop", "17"), tag(&name, ""), tag("", "x")];
        let expected = [
            "/tags/order~1id body.too_many_tags".to_owned(),
            format!("/tags/{name} body.too_many_tags"),
            "/tags/ body.too_many_tags".to_owned(),
        ];
        assert_eq!(labels(&Order { tags, ..Order::default() }).1, expected);
        let tags = vec![tag(&name[1..], &value[1..])];
        assert_eq!(labels(&Order { tags, ..Order::default() }).1, [""; 0]);
    }

    #[test]
    fn what_is_no_zone_and_no_address_is_a_fault() {
        let order = Order {
            recipient_tz: Some(At::new("/recipient_tz", "Tokyo".into())),
            end_user_ip: Some(At::new("/end_user_ip", "localhost".into())),
            tags: (0..17).map(|n| tag(&n.to_string(), "")).collect(),
            ..Order::default()
        };
        let expected = [
            "/tags body.too_many_tags",
            "/recipient_tz body.bad_time_zone",
            "/end_user_ip body.bad_ip",
        ];
        assert_eq!(labels(&order).1, expected);
    }
}
