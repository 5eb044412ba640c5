use std::fmt;

use crate::digits::is_uuid;
use crate::{E164, Fault};

/// Who a message comes from. Plivo's `src`, or its `powerpack_uuid` for a pool.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Sender {
    /// A phone number of the account.
    Number(E164),
    /// A short code: three to eight digits.
    ShortCode(String),
    /// A name: one to eleven letters and digits, at least one letter.
    Alphanumeric(String),
    /// A pool of numbers at Plivo (Powerpack), by its UUID in small letters.
    Pool(String),
}

impl Sender {
    /// Reads a number in E.164, a short code or a name, whichever `text` is.
    ///
    /// # Errors
    ///
    /// `sender.invalid` at `pointer`.
    pub fn parse(text: &str, pointer: &str) -> Result<Self, Fault> {
        let invalid = || {
            let detail = "is not a sender: give a number in E.164, a short code of 3 to 8 digits, or a name of at most \
                          11 letters and digits";
            Fault::new(pointer, "sender.invalid", detail)
        };
        let ascii = |test: fn(&u8) -> bool| !text.is_empty() && text.as_bytes().iter().all(test);
        match text {
            _ if text.starts_with('+') => {
                E164::parse(text, pointer).map(Self::Number).map_err(|_| invalid())
            }
            _ if ascii(u8::is_ascii_digit) && (3..=8).contains(&text.len()) => {
                Ok(Self::ShortCode(text.into()))
            }
            _ if ascii(u8::is_ascii_alphanumeric)
                && text.len() <= 11
                && !ascii(u8::is_ascii_digit) =>
            {
                Ok(Self::Alphanumeric(text.into()))
            }
            _ => Err(invalid()),
        }
    }

    /// Reads what a message may have come from: as [`Sender::parse`], or the UUID of a pool.
    ///
    /// # Errors
    ///
    /// `sender.invalid` at `pointer`.
    pub fn parse_any(text: &str, pointer: &str) -> Result<Self, Fault> {
        let invalid = |fault: Fault| {
            let detail = "is not a sender: give a number in E.164, a short code of 3 to 8 digits, a name of at most 11 \
                          letters and digits, or a pool's UUID";
            Fault { detail: detail.into(), ..fault }
        };
        Self::pool(text).map_or_else(|| Self::parse(text, pointer).map_err(invalid), Ok)
    }

    /// Reads a pool's UUID in its form of 36 characters. Both cases are one pool (RFC 9562 section 4), in small letters
    /// from here on.
    pub fn pool(text: &str) -> Option<Self> {
        is_uuid(text).then(|| Self::Pool(text.to_ascii_lowercase()))
    }

    /// The contract's word for this kind of sender: `number`, `short-code`, `alphanumeric` or `pool`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::ShortCode(_) => "short-code",
            Self::Alphanumeric(_) => "alphanumeric",
            Self::Pool(_) => "pool",
        }
    }

    /// The sender as it was given.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Number(number) => number.as_str(),
            Self::ShortCode(text) | Self::Alphanumeric(text) | Self::Pool(text) => text,
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "number {number:?}"),
            other => write!(f, "{} {}", other.kind(), other.as_str()),
        }
    }
}
