//! Signatures as Standard Webhooks has them.
//!
//! Source: Standard Webhooks specification 1.0, "Webhook headers" and "Signature scheme": the HMAC-SHA256 of id,
//! timestamp and body, joined by full stops, under each key that is in force; the vector in the tests is the one that
//! its reference libraries use.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What marks a secret as a key in base64.
const PREFIX: &str = "whsec_";

/// One key that events are signed with. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WebhookKey(Box<[u8]>);

/// Why a secret is no key. It does not show the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// What follows the prefix is not base64.
    #[error("begins with whsec_ and goes on with what is not base64")]
    Base64,
    /// There is nothing to sign with.
    #[error("is empty")]
    Empty,
}

impl WebhookKey {
    /// Reads `whsec_` and a key in base64; any other text is the key itself.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub(crate) fn read(secret: &str) -> Result<Self, KeyError> {
        let key = match secret.strip_prefix(PREFIX) {
            Some(encoded) => BASE64_STANDARD.decode(encoded).map_err(|_| KeyError::Base64)?,
            None => secret.as_bytes().to_vec(),
        };
        if key.is_empty() { Err(KeyError::Empty) } else { Ok(Self(key.into())) }
    }

    fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key length");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey(hidden)")
    }
}

/// The three headers of one call: `seconds` since 1970 are those of the call, not of the event.
pub(super) fn headers(
    keys: &[WebhookKey],
    id: &str,
    seconds: u64,
    body: &[u8],
) -> [(&'static str, String); 3] {
    let signatures: Vec<String> = keys.iter().map(|key| key.sign(id, seconds, body)).collect();
    [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SECONDS: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_published_vector_is_met() {
        let key = WebhookKey::read(SECRET).unwrap();
        let headers = headers(&[key], ID, SECONDS, BODY);
        let expected = [
            ("webhook-id", ID.to_owned()),
            ("webhook-timestamp", "1614265330".to_owned()),
            ("webhook-signature", SIGNATURE.to_owned()),
        ];
        assert_eq!(headers, expected);
    }

    #[test]
    fn while_keys_change_each_signs() {
        let keys = [WebhookKey::read("plain words").unwrap(), WebhookKey::read(SECRET).unwrap()];
        let [_, _, (_, signatures)] = headers(&keys, ID, SECONDS, BODY);
        let each: Vec<&str> = signatures.split(' ').collect();
        assert_eq!((each.len(), each[1]), (2, SIGNATURE));
        assert!(each[0].starts_with("v1,") && each[0] != SIGNATURE, "{each:?}");
    }

    #[test]
    fn a_secret_that_is_no_key_is_refused_and_never_shown() {
        for (secret, error) in [
            ("", KeyError::Empty),
            ("whsec_", KeyError::Empty),
            ("whsec_not base64", KeyError::Base64),
        ] {
            assert_eq!(WebhookKey::read(secret), Err(error), "{secret:?}");
        }
        assert_eq!(format!("{:?}", WebhookKey::read("plain words")), "Ok(WebhookKey(hidden))");
    }
}
