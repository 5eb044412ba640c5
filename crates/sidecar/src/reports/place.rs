//! Where Plivo reports on one call: a path that nobody else could know.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use message::MessageId;
use store::Secret;
use subtle::ConstantTimeEq as _;

/// What every path begins with.
const PREFIX: &str = "/callbacks/plivo/";
/// What the path of inbound messages goes on with; no message has that id and one part less.
const INBOUND: &str = "inbound/";
/// Bytes of a token: 128 bits, which nobody guesses.
const TOKEN: usize = 16;
/// Longest id in a path, in characters; ours have 36.
const MOST_ID: usize = 64;

/// The callback URLs of this sidecar. The token in each is a keyed hash of message and attempt, so that none needs to
/// be stored and any of them can be checked.
#[derive(Clone, Debug)]
pub(crate) struct CallbackPlace {
    /// The public URL, without a slash at its end.
    base: String,
    /// The path of `base`, which a proxy in front may leave on or take off.
    base_path: String,
    key: Secret,
}

/// A path that has the form of ours; whether it is ours only its token tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Called<'a> {
    pub(super) message: MessageId,
    attempt: u32,
    token: &'a str,
}

impl CallbackPlace {
    /// The URLs below `base`, which is how Plivo reaches the callback listener, with tokens under a key derived from
    /// `secret`.
    pub(crate) fn new(base: &str, secret: &Secret) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        let after_scheme = base.split_once("://").map_or("", |(_, rest)| rest);
        let base_path = after_scheme.find('/').map_or("", |at| &after_scheme[at..]).to_owned();
        Self { base, base_path, key: secret.derive("plivo callback token") }
    }

    /// Where Plivo is to report on the `attempt`th call for this message.
    pub(crate) fn url(&self, message: &MessageId, attempt: u32) -> String {
        let token = self.token(message, attempt);
        format!("{}{PREFIX}{message}/{attempt}/{token}", self.base)
    }

    /// Where Plivo is to bring what handsets send: the message URL of a number there.
    pub(crate) fn inbound_url(&self) -> String {
        format!("{}{PREFIX}{INBOUND}{}", self.base, self.inbound_token())
    }

    /// The token of a path of that form; whether it is ours only [`CallbackPlace::is_inbound`] tells.
    pub(super) fn read_inbound<'a>(&self, path: &'a str) -> Option<&'a str> {
        self.below(path)?.strip_prefix(INBOUND).filter(|token| !token.contains('/'))
    }

    /// Whether we made this token; takes the same time whatever it is.
    pub(super) fn is_inbound(&self, token: &str) -> bool {
        self.inbound_token().as_bytes().ct_eq(token.as_bytes()).into()
    }

    fn inbound_token(&self) -> String {
        let hash = self.key.hash(&[b"inbound"]);
        BASE64_URL_SAFE_NO_PAD.encode(&hash[..TOKEN])
    }

    /// What comes after the prefix of ours, which a proxy may have left a path before.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(PREFIX)
            .or_else(|| path.strip_prefix(self.base_path.as_str())?.strip_prefix(PREFIX))
    }

    /// What a path says; none where it does not have the form.
    pub(super) fn read<'a>(&self, path: &'a str) -> Option<Called<'a>> {
        let mut parts = self.below(path)?.split('/');
        let (message, attempt, token) = (parts.next()?, parts.next()?, parts.next()?);
        let plain = message.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let attempt: u32 = attempt.parse().ok()?;
        if parts.next().is_some() || message.is_empty() || message.len() > MOST_ID || !plain {
            return None;
        }
        Some(Called { message: MessageId(message.into()), attempt, token })
    }

    /// Whether we made this path; takes the same time whatever the token is.
    pub(super) fn is_ours(&self, called: &Called<'_>) -> bool {
        let expected = self.token(&called.message, called.attempt);
        expected.as_bytes().ct_eq(called.token.as_bytes()).into()
    }

    /// The whole public URL of a path of ours, which is what Plivo has signed.
    pub(super) fn signed_url(&self, called: &Called<'_>) -> String {
        self.url(&called.message, called.attempt)
    }

    fn token(&self, message: &MessageId, attempt: u32) -> String {
        let hash = self.key.hash(&[message.0.as_bytes(), &attempt.to_be_bytes()]);
        BASE64_URL_SAFE_NO_PAD.encode(&hash[..TOKEN])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(base: &str) -> CallbackPlace {
        CallbackPlace::new(base, &Secret::from_words(b"words"))
    }

    fn id() -> MessageId {
        MessageId("0196b1c2-0000-7000-8000-000000000001".into())
    }

    fn path_of(url: &str) -> &str {
        let after = url.split_once("://").unwrap().1;
        &after[after.find('/').unwrap()..]
    }

    #[test]
    fn what_a_url_was_made_of_is_read_from_its_path_again() {
        let place = place("https://sms.example.com");
        let url = place.url(&id(), 3);
        assert!(url.starts_with("https://sms.example.com/callbacks/plivo/0196b1c2-"), "{url}");
        let called = place.read(path_of(&url)).unwrap();
        assert_eq!((&called.message, called.attempt, called.token.len()), (&id(), 3, 22));
        assert!(place.is_ours(&called));
        assert_eq!(place.signed_url(&called), url);
    }

    #[test]
    fn a_path_in_the_public_url_may_arrive_or_be_taken_off_on_the_way() {
        let place = place("https://example.com/sms/");
        let url = place.url(&id(), 1);
        assert!(url.starts_with("https://example.com/sms/callbacks/plivo/"), "{url}");
        for path in [path_of(&url), path_of(&url).strip_prefix("/sms").unwrap()] {
            let called = place.read(path).unwrap_or_else(|| panic!("{path}"));
            assert!(place.is_ours(&called), "{path}");
            assert_eq!(place.signed_url(&called), url);
        }
    }

    #[test]
    fn a_token_holds_for_its_message_its_attempt_and_its_key_only() {
        let ours = place("https://a.example");
        let url = ours.url(&id(), 1);
        let path = path_of(&url);
        let token = path.rsplit('/').next().unwrap();
        let others = [
            path.replace("/1/", "/2/"),
            path.replace("000001/", "000002/"),
            path.replace(token, &"A".repeat(22)),
            path.replace(token, &token[..21]),
            path.replace(token, ""),
        ];
        for path in &others {
            let called = ours.read(path).unwrap_or_else(|| panic!("{path}"));
            assert!(!ours.is_ours(&called), "{path}");
        }
        let stranger = CallbackPlace::new("https://a.example", &Secret::from_words(b"others"));
        assert!(!stranger.is_ours(&stranger.read(path).unwrap()));
    }

    #[test]
    fn inbound_messages_have_one_place_that_only_its_token_opens() {
        let place = place("https://example.com/sms");
        let url = place.inbound_url();
        assert!(url.starts_with("https://example.com/sms/callbacks/plivo/inbound/"), "{url}");
        for path in [path_of(&url), path_of(&url).strip_prefix("/sms").unwrap()] {
            assert!(place.is_inbound(place.read_inbound(path).unwrap()), "{path}");
            assert_eq!(place.read(path), None);
        }
        assert!(!place.is_inbound("") && !place.is_inbound(&"A".repeat(22)));
        let report = place.url(&id(), 1);
        assert_eq!(place.read_inbound(path_of(&report)), None);
    }

    #[test]
    fn other_paths_are_none() {
        let place = place("https://a.example");
        let long = format!("/callbacks/plivo/{}/1/t", "a".repeat(65));
        for path in [
            "/",
            "/callbacks/plivo",
            "/callbacks/plivo/",
            "/callbacks/plivo/m/1",
            "/callbacks/plivo/m/1/t/x",
            "/callbacks/plivo//1/t",
            "/callbacks/plivo/m%2f/1/t",
            "/callbacks/plivo/m/-1/t",
            "/callbacks/plivo/m/one/t",
            "/callbacks/plivo/m/4294967296/t",
            "/other/callbacks/plivo/m/1/t",
            &long,
        ] {
            assert_eq!(place.read(path), None, "{path}");
        }
    }
}
