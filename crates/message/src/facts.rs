//! What can be found out about a message without asking anybody, and what the rules make of it.
//!
//! The `…_fault` functions are pure: the host and the policies judge alike, whoever found the facts out.

#[cfg(feature = "facts")]
mod clocks;
mod media_rules;
mod rules;
#[cfg(feature = "facts")]
mod survey;
#[cfg(feature = "facts")]
mod zones;

use crate::{Encoding, Segments};

#[cfg(feature = "facts")]
pub use crate::media::is_public;
#[cfg(feature = "facts")]
pub use clocks::offsets;
pub use media_rules::{MediaRules, media_count_fault, media_faults};
pub use rules::{
    DEFAULT_TYPES, is_blank, number_faults, same_as_sender_fault, segments_fault, text_faults,
    type_fault,
};
#[cfg(feature = "facts")]
pub use survey::{is_region, number, survey, warm_up};

/// Most members of a request that are passed on although they mean nothing.
pub const MOST_UNKNOWN_FIELDS: usize = 1_000;

/// Everything found out about one message, once, for all policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The recipient's number.
    pub number: NumberFacts,
    /// The text.
    pub text: Segments,
    /// One entry a media URL, in order.
    pub media: Vec<MediaFacts>,
    /// Members of the request that mean nothing to Sendgate, by JSON pointer; the first [`MOST_UNKNOWN_FIELDS`].
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
pub enum NumberType {
    /// Of a handset.
    Mobile,
    /// Of a line that stays in its place.
    FixedLine,
    /// Either: the region's numbers do not tell, as in the US.
    FixedLineOrMobile,
    /// Whoever is called pays.
    TollFree,
    /// Whoever calls pays more than for the call.
    PremiumRate,
    /// Both pay.
    SharedCost,
    /// Of a telephone on the internet.
    Voip,
    /// Of a person, wherever that is.
    Personal,
    /// Of a pager.
    Pager,
    /// A company's one number for all its places.
    Uan,
    /// Of a mailbox for voices.
    Voicemail,
    /// None that the data has.
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
    /// What was found there, where it was looked at.
    pub probe: Option<Probed>,
}

/// What was found at a media URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// A 2xx answer.
    Found {
        /// Lower case, without parameters; empty where there was none.
        content_type: String,
        /// Its length, where that was told.
        bytes: Option<u64>,
    },
    /// Its name has a private address; nothing was connected to.
    ResolvesPrivate,
    /// A redirect leads to a private place; nothing there was connected to.
    RedirectsPrivate,
    /// Redirects without an end.
    TooManyRedirects,
    /// Another answer, with this status.
    Refused(u16),
    /// No answer, or not in time.
    Unreachable,
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

impl NumberType {
    /// Every type, in the contract's order.
    pub const ALL: [Self; 12] = [
        Self::Mobile,
        Self::FixedLine,
        Self::FixedLineOrMobile,
        Self::TollFree,
        Self::PremiumRate,
        Self::SharedCost,
        Self::Voip,
        Self::Personal,
        Self::Pager,
        Self::Uan,
        Self::Voicemail,
        Self::Unknown,
    ];

    /// The contract's word, such as `fixed-line-or-mobile`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::FixedLine => "fixed-line",
            Self::FixedLineOrMobile => "fixed-line-or-mobile",
            Self::TollFree => "toll-free",
            Self::PremiumRate => "premium-rate",
            Self::SharedCost => "shared-cost",
            Self::Voip => "voip",
            Self::Personal => "personal",
            Self::Pager => "pager",
            Self::Uan => "uan",
            Self::Voicemail => "voicemail",
            Self::Unknown => "unknown",
        }
    }

    /// The type that `word` names; `None` where it names none.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.as_str() == word)
    }
}

impl HostClass {
    /// Every class.
    pub const ALL: [Self; 4] =
        [Self::Public, Self::PrivateName, Self::PrivateAddress, Self::PublicAddress];

    /// The class that `word` names; `None` where it names none.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.as_str() == word)
    }

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

impl Probed {
    /// The contract's word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Found { .. } => "found",
            Self::ResolvesPrivate => "resolves-private",
            Self::RedirectsPrivate => "redirects-private",
            Self::TooManyRedirects => "too-many-redirects",
            Self::Refused(_) => "refused",
            Self::Unreachable => "unreachable",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_contract_lead_back_to_their_values() {
        for each in NumberType::ALL {
            assert_eq!(NumberType::from_word(each.as_str()), Some(each));
        }
        for each in HostClass::ALL {
            assert_eq!(HostClass::from_word(each.as_str()), Some(each));
        }
        assert_eq!(NumberType::from_word("Mobile"), None);
        assert_eq!(HostClass::from_word(""), None);
    }
}
