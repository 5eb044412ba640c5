//! The gateway's readers, fed with any bytes.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use message::facts;

use super::answer::Door;
use super::prefer::Preferred;
use super::submission::Submission;
use crate::config::Config;
use crate::fuzzing::loaded;

const TOML: &[u8] = b"[plivo]\nauth_id = \"MAXXXXXXXXXXXXXXXXXX\"\nauth_token = \"token\"\nsender = \"+14155551212\"\n\
                      [[apps]]\nname = \"demo\"\ntoken = \"demo-token\"\nphone = \"lenient\"\n";

static CONFIG: LazyLock<Config> = LazyLock::new(|| loaded(TOML).expect("it is right"));

/// A body of `POST /v1/messages`.
pub fn native(body: &[u8]) {
    order(Door::Native, body);
}

/// A body of `POST /mms/send`.
pub fn seed(body: &[u8]) {
    order(Door::Seed, body);
}

/// A body of `POST /v1/Account/{auth_id}/Message/`.
pub fn plivo(body: &[u8]) {
    order(Door::Plivo, body);
}

/// What is refused has a fault, and what is taken is fit to be asked about.
fn order(door: Door, body: &[u8]) {
    let Ok(order) = door.read(body) else { return };
    let (app, plivo) = (&CONFIG.reloadable.apps[0], &CONFIG.reloadable.plivo);
    match Submission::of(order, app, plivo, SystemTime::now().into()) {
        Err(faults) => assert!(!faults.is_empty(), "refused for nothing"),
        Ok(Submission { drafts, unknown_fields, .. }) => {
            for message in drafts.iter().filter_map(|draft| draft.message.as_ref().ok()) {
                let surveyed = facts::survey(message, unknown_fields.clone());
                assert!(surveyed.is_ok(), "a message that was taken has no facts");
            }
        }
    }
}

/// Lines `name: value`, as headers that the gateway looks at.
pub fn headers(lines: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let most = Duration::from_secs(10);
    assert!(Preferred::of(&headers, most).wait <= most, "an app waits longer than it may");
    if let Ok(Some(key)) = super::idempotency_key(&headers) {
        assert!((1..=255).contains(&key.len()), "a key is out of bounds");
    }
}
