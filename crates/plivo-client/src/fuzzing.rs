//! What reads Plivo's answers, by a name that `fuzz` can call.

use message::{E164, Message, MessageId, Sender};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::lookup::{Found, ListBody};
use crate::{AuthId, AuthToken, Credentials, Outcome, Outgoing, answer, hidden};

/// Long enough to be known again wherever it is repeated, and nothing that anybody says by chance.
const TOKEN: &str = "q7Zk2mXv9LpT4wRb8NcYd3Hs6JfGa1Ue5KoMiBxV";

/// An answer of a Plivo that may say anything: a line with its status, lines `name: value`, an empty one, and the body.
/// It is read as that to a send, to a look-up and to a list, and panics where what was read does not hold.
///
/// # Panics
///
/// There.
pub fn answer(bytes: &[u8]) {
    let (head, body) = split(bytes, b"\n\n");
    let (status, lines) = split(head, b"\n");
    let Some(status) = str::from_utf8(status).ok().and_then(|status| status.parse().ok()) else {
        return;
    };
    let message = message();
    let credentials = Credentials {
        auth_id: AuthId::parse("MAXXXXXXXXXXXXXXXXXX").expect("it is one"),
        auth_token: AuthToken::parse(TOKEN).expect("it is one"),
    };
    sent(status, &headers(lines), body, &message, &credentials);
    let found = serde_json::from_slice::<Found>(body).into_iter();
    let listed = serde_json::from_slice::<ListBody>(body).into_iter().flat_map(|list| list.objects);
    for found in found.chain(listed) {
        if let Ok(found) = found.sound(&credentials, Some(&message.to)) {
            assert!(answer::is_id(&found.message_uuid), "{found:?} has no id");
            assert!(!format!("{found:?}").contains(TOKEN), "{found:?} shows the token");
        }
    }
}

/// Only a 2xx with an id of Plivo's own is accepted, and no words of an answer show the token or the number.
fn sent(status: u16, headers: &HeaderMap, body: &[u8], message: &Message, with: &Credentials) {
    let outgoing = Outgoing::new(message);
    let call = answer::Call {
        to: &message.to,
        shown: &|words| hidden::shown(words, with, &outgoing),
        repeats: &|id| hidden::repeats(id, with, Some(&message.to)),
    };
    let outcome = answer::outcome(status, headers, Some(body), &call);
    if let Outcome::Accepted(receipt) = &outcome {
        assert!((200..300).contains(&status), "{status} is accepted");
        let ids = [&receipt.message_uuid].into_iter().chain(&receipt.extra_uuids);
        for id in ids.chain(&receipt.api_id) {
            assert!(answer::is_id(id) && !(call.repeats)(id), "{id} is no id of Plivo's");
        }
    }
    let told = format!("{outcome:?}");
    assert!(!told.contains(TOKEN) && !told.contains(message.to.digits()), "{told}");
}

/// What stands before the first `by`, and after it.
fn split<'a>(bytes: &'a [u8], by: &[u8]) -> (&'a [u8], &'a [u8]) {
    match bytes.windows(by.len()).position(|some| some == by) {
        Some(at) => (&bytes[..at], &bytes[at + by.len()..]),
        None => (bytes, &[]),
    }
}

fn headers(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let (name, value) = split(line, b":");
        let value = HeaderValue::from_bytes(value.trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), value) {
            headers.append(name, value);
        }
    }
    headers
}

fn message() -> Message {
    let number = |text| E164::parse(text, "/to").expect("it is one");
    Message::plain(
        MessageId("0d0e1f3a-1111-4222-8333-444455556666".into()),
        number("+14155550123"),
        Sender::parse("+14155551212", "/from").expect("it is one"),
        "Your order has left our store",
    )
}
