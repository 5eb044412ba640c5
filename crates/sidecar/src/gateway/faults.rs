//! Every fault of one request, within a bound: a body of a few bytes a fault must not make an answer of megabytes.

use message::{Fault, without_grouped_numbers};

/// Most faults that are told of one request.
pub(crate) const MOST: usize = 100;
/// Most bytes of a fault's pointer; a member's name may be as long as the body.
const POINTER_BYTES: usize = 256;

/// The first [`MOST`] faults of a request, and how many more it has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    told: Vec<Fault>,
    more: usize,
}

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) {
        self.note(|| fault);
    }

    /// The same, where the fault is only made if it is told.
    pub(crate) fn note(&mut self, fault: impl FnOnce() -> Fault) {
        if self.told.len() == MOST {
            self.more += 1;
            return;
        }
        let mut fault = fault();
        // A member, tag or parameter may be called by a number.
        fault.pointer = without_grouped_numbers(&fault.pointer);
        cut(&mut fault.pointer, POINTER_BYTES);
        self.told.push(fault);
    }

    /// Adds those of `others` at the end.
    pub(crate) fn append(&mut self, others: Self) {
        self.extend(others.told);
        self.more += others.more;
    }

    /// Those first of which `comes_first` holds, else in the order they have.
    pub(crate) fn with_first(mut self, comes_first: impl Fn(&Fault) -> bool) -> Self {
        self.told.sort_by_key(|fault| !comes_first(fault));
        self
    }

    pub(crate) fn told(&self) -> &[Fault] {
        &self.told
    }

    /// Whether any says that a member has not the form that it must have, whatever the configuration.
    pub(crate) fn are_of_form(&self) -> bool {
        self.told.iter().any(|fault| fault.code.starts_with("body."))
    }

    /// How many are not told.
    pub(crate) fn more(&self) -> usize {
        self.more
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}

impl Extend<Fault> for Faults {
    fn extend<I: IntoIterator<Item = Fault>>(&mut self, faults: I) {
        faults.into_iter().for_each(|fault| self.push(fault));
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        let mut all = Self::default();
        all.extend(faults);
        all
    }
}

impl From<Vec<Fault>> for Faults {
    fn from(faults: Vec<Fault>) -> Self {
        faults.into_iter().collect()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        [fault].into_iter().collect()
    }
}

/// Cuts `text` to at most `most` bytes, and says so.
pub(super) fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_are_told_and_the_others_counted() {
        let fault = |nth: usize| Fault::new(format!("/{nth}"), "body.wrong_type", "is a number");
        let mut faults: Faults = (0..MOST).map(fault).collect();
        assert_eq!((faults.told().len(), faults.more()), (MOST, 0));
        faults.push(fault(MOST));
        faults.note(|| panic!("made and not told"));
        faults.append((0..MOST + 7).map(fault).collect());
        assert_eq!((faults.told().len(), faults.more()), (MOST, 2 + MOST + 7));
        assert_eq!(faults.told()[MOST - 1].pointer, "/99");
    }

    #[test]
    fn a_long_pointer_is_cut_between_characters() {
        let faults = Faults::from(Fault::new("/é".repeat(200), "body.duplicate_key", "twice"));
        let pointer = &faults.told()[0].pointer;
        assert!(pointer.ends_with("/…") && pointer.len() <= POINTER_BYTES + 3, "{pointer}");
    }
}
