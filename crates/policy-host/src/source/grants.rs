//! What a policy may import and change.

use std::fmt;

/// One thing that the operator may allow a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Grant {
    /// Remember between messages: the import `state`.
    State,
    /// Write log lines: the import `log`.
    Log,
    /// Count: the import `metrics`.
    Metrics,
    /// Classify other numbers: the import `telecom`.
    Telecom,
    /// Know what clocks show: the import `zones`.
    Zones,
    /// Know what was found at media URLs: the import `media`.
    Media,
    /// Change the message.
    Amend,
    /// Change whom the message goes to; needs [`Grant::Amend`] as well.
    AmendRecipient,
}

/// A set of grants.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Grants(u8);

impl Grant {
    /// Every grant.
    pub const ALL: [Self; 8] = [
        Self::State,
        Self::Log,
        Self::Metrics,
        Self::Telecom,
        Self::Zones,
        Self::Media,
        Self::Amend,
        Self::AmendRecipient,
    ];

    /// The configuration's word, such as `state` or `amend-recipient`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Log => "log",
            Self::Metrics => "metrics",
            Self::Telecom => "telecom",
            Self::Zones => "zones",
            Self::Media => "media",
            Self::Amend => "amend",
            Self::AmendRecipient => "amend-recipient",
        }
    }

    /// The grant that `word` names in the configuration.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == word)
    }

    /// The grant that the contract's interface `name` needs; interfaces and grants share their names.
    pub(crate) fn for_interface(name: &str) -> Option<Self> {
        [Self::State, Self::Log, Self::Metrics, Self::Telecom, Self::Zones, Self::Media]
            .into_iter()
            .find(|grant| grant.as_str() == name)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Grants {
    /// Whether `grant` is in the set.
    pub fn contains(self, grant: Grant) -> bool {
        self.0 & grant.bit() != 0
    }

    /// The grants in the set, in the order of [`Grant::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Grant> {
        Grant::ALL.into_iter().filter(move |grant| self.contains(*grant))
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Self {
        Self(grants.into_iter().fold(0, |set, grant| set | grant.bit()))
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Grant::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Grant, Grants};

    #[test]
    fn every_grant_is_read_back_from_its_own_word() {
        for grant in Grant::ALL {
            assert_eq!(Grant::from_word(grant.as_str()), Some(grant));
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let set = Grants::from_iter([Grant::AmendRecipient, Grant::Log]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Grant::Log, Grant::AmendRecipient]);
    }
}
