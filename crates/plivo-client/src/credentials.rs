//! Plivo's credentials. They come with every call, because they rotate.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::HeaderValue;

/// Most characters of an auth id. Plivo's have 20 ("API overview").
const MOST_ID: usize = 64;
/// Most characters of an auth token. Plivo's have 40.
const MOST_TOKEN: usize = 256;

/// The id of an account or a subaccount (`MA…`, `SA…`): ASCII letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuthId(Box<str>);

/// The secret of an account. `Debug` hides it, and nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthToken(Box<str>);

/// What a call needs to be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The account.
    pub auth_id: AuthId,
    /// Its secret.
    pub auth_token: AuthToken,
}

/// Why a text is no credential. It does not show the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Not an auth id.
    #[error("the auth id is not 1 to {MOST_ID} ASCII letters and digits")]
    AuthId,
    /// Not an auth token.
    #[error("the auth token is not 1 to {MOST_TOKEN} visible ASCII characters")]
    AuthToken,
}

impl AuthId {
    /// Reads an auth id.
    ///
    /// # Errors
    ///
    /// If it could not stand in a path and in Basic authentication.
    pub fn parse(text: &str) -> Result<Self, CredentialsError> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric());
        if text.is_empty() || text.len() > MOST_ID || !plain {
            return Err(CredentialsError::AuthId);
        }
        Ok(Self(text.into()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AuthToken {
    /// Reads an auth token.
    ///
    /// # Errors
    ///
    /// If it is empty, too long, or has characters that no token has.
    pub fn parse(text: &str) -> Result<Self, CredentialsError> {
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        if text.is_empty() || text.len() > MOST_TOKEN || !visible {
            return Err(CredentialsError::AuthToken);
        }
        Ok(Self(text.into()))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthToken(hidden)")
    }
}

impl Credentials {
    /// `Basic`, marked so that nothing prints it.
    pub(crate) fn basic(&self) -> HeaderValue {
        let pair = format!("{}:{}", self.auth_id.as_str(), self.auth_token.reveal());
        let basic = format!("Basic {}", BASE64_STANDARD.encode(pair));
        let mut value = HeaderValue::try_from(basic).expect("base64 is visible ASCII");
        value.set_sensitive(true);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_an_error_shows_a_token() {
        let token = AuthToken::parse("very-secret").unwrap();
        let credentials = Credentials { auth_id: AuthId::parse("MA1").unwrap(), auth_token: token };
        let shown = format!("{credentials:?} {:?}", credentials.basic());
        assert!(!shown.contains("very-secret") && !shown.contains("Basic"), "{shown}");
        let err = AuthToken::parse("very secret").unwrap_err();
        assert!(!err.to_string().contains("very"), "{err}");
    }

    #[test]
    fn what_could_not_stand_in_a_path_is_no_auth_id() {
        for text in ["", "MA/../SA", "MA:x", "MA%2e", "MÄ", "MA\r\n", &"M".repeat(65)] {
            assert_eq!(AuthId::parse(text), Err(CredentialsError::AuthId), "{text:?}");
        }
        assert_eq!(AuthId::parse(&"M".repeat(64)).unwrap().as_str().len(), 64);
    }

    #[test]
    fn tokens_are_bounded() {
        for text in ["", "a b", "a\n", &"t".repeat(257)] {
            assert_eq!(AuthToken::parse(text), Err(CredentialsError::AuthToken), "{text:?}");
        }
        assert!(AuthToken::parse(&"t".repeat(256)).is_ok());
    }
}
