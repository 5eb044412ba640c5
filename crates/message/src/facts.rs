//! What can be found out about a message without asking anybody.

use crate::{Encoding, Segments};

/// Everything found out about one message, once, for all policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The recipient's number.
    pub number: NumberFacts,
    /// The text.
    pub text: Segments,
    /// One entry a media URL, in order.
    pub media: Vec<MediaFacts>,
    /// Members of the request that mean nothing to Sendgate, by JSON pointer.
    pub unknown_fields: Vec<String>,
}

/// What the reference numbering data knows of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberFacts {
    /// Whether it is assignable.
    pub valid: bool,
    /// ISO 3166 region; `001` for international networks; empty where there is none.
    pub region: String,
    /// The calling code; 0 where there is none.
    pub calling_code: u16,
    /// Its type.
    pub number_type: NumberType,
    /// Every IANA time zone its area may lie in.
    pub zones: Vec<String>,
}

/// The reference data's types of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the reference data's own words")]
pub enum NumberType {
    Mobile,
    FixedLine,
    FixedLineOrMobile,
    TollFree,
    PremiumRate,
    SharedCost,
    Voip,
    Personal,
    Pager,
    Uan,
    Voicemail,
    Unknown,
}

/// What a media URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaFacts {
    /// `http` or `https`.
    pub scheme: String,
    /// The host, in ASCII.
    pub host: String,
    /// The port, given or the scheme's.
    pub port: u16,
    /// Lower-case file extension of the path, or empty.
    pub extension: String,
    /// Whether the host can be public.
    pub host_class: HostClass,
}

/// Whether a host can be public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostClass {
    /// A name that public resolvers may know.
    Public,
    /// A name of a private network: one label, or a special-use suffix.
    PrivateName,
    /// An address literal in a private, loopback, link-local, reserved or documentation range.
    PrivateAddress,
    /// Any other address literal.
    PublicAddress,
}

impl HostClass {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::PrivateName => "private-name",
            Self::PrivateAddress => "private-address",
            Self::PublicAddress => "public-address",
        }
    }
}

impl Encoding {
    /// Plivo's most units of a text in this encoding.
    pub fn most_units(self) -> u32 {
        match self {
            Self::Gsm7 => crate::limits::GSM7_UNITS,
            Self::Ucs2 => crate::limits::UCS2_UNITS,
        }
    }
}
