//! What policies count through the import `metrics`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use message::has_number;

use crate::PolicyName;

/// Most names of counters a policy; the contract's number.
const NAMES: usize = 32;
/// Most bytes of a counter's name; the contract's number.
const NAME_BYTES: usize = 63;

/// One counter that a policy keeps, read at some instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The policy that keeps it. A reload keeps its counters.
    pub policy: PolicyName,
    /// The policy's name for it.
    pub name: String,
    /// Its sum since the program began.
    pub value: u64,
}

/// All the counters of all policies.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<BTreeMap<PolicyName, BTreeMap<String, u64>>>);

impl Counters {
    /// Adds to a counter; `false` where the name is out of bounds or one too many.
    pub(crate) fn add(&self, policy: &PolicyName, name: &str, value: u64) -> bool {
        if !is_name(name) {
            return false;
        }
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = match counters.get_mut(policy) {
            Some(own) => own,
            None => counters.entry(policy.clone()).or_default(),
        };
        if let Some(sum) = own.get_mut(name) {
            *sum = sum.saturating_add(value);
            return true;
        }
        let room = own.len() < NAMES;
        if room {
            own.insert(name.to_owned(), value);
        }
        room
    }

    pub(crate) fn read(&self) -> Vec<Counter> {
        let counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let each = counters.iter().flat_map(|(policy, own)| {
            own.iter().map(|(name, value)| Counter {
                policy: policy.clone(),
                name: name.clone(),
                value: *value,
            })
        });
        each.collect()
    }
}

/// The contract's form of a name, `[a-z][a-z0-9_]{0,62}`, and no phone number in it: anybody may read metrics.
fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !has_number(name)
}

#[cfg(test)]
mod tests {
    use super::{Counters, NAMES};
    use crate::PolicyName;

    #[test]
    fn a_counter_sums_and_never_wraps() {
        let (counters, policy) = (Counters::default(), PolicyName::new("country"));
        assert!(counters.add(&policy, "seen", u64::MAX));
        assert!(counters.add(&policy, "seen", 2));
        let read: Vec<_> = counters.read().into_iter().map(|c| (c.name, c.value)).collect();
        assert_eq!(read, [("seen".to_owned(), u64::MAX)]);
    }

    #[test]
    fn a_policy_has_thirty_two_names_and_another_policy_has_its_own() {
        let (counters, policy) = (Counters::default(), PolicyName::new("a"));
        for n in 0..NAMES {
            assert!(counters.add(&policy, &format!("n{n}"), 1), "name {n} of {NAMES} is taken");
        }
        assert!(!counters.add(&policy, "one_more", 1));
        assert!(counters.add(&policy, "n0", 1), "a known name still counts");
        assert!(counters.add(&PolicyName::new("b"), "one_more", 1));
    }

    #[test]
    fn names_out_of_the_contracts_form_are_refused() {
        let (counters, policy) = (Counters::default(), PolicyName::new("a"));
        let long = "a".repeat(64);
        for name in ["", "1a", "A", "a-b", "ä", "n14155550126", &long] {
            assert!(!counters.add(&policy, name, 1), "{name:?} is not a name");
        }
    }
}
