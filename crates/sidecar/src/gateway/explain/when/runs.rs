//! How often policies are asked for the ways of a request.

/// Most times that the policies are asked for the ways of one request, and of one message of it.
const RUNS: u32 = 2_048;
const RUNS_OF_ONE: u32 = 128;

/// How often the policies may still be asked.
pub(crate) struct Runs {
    of_request: u32,
    of_message: u32,
    /// Whether an instant that was named was left untried.
    cut: bool,
}

impl Runs {
    pub(crate) fn new() -> Self {
        Self { of_request: RUNS, of_message: 0, cut: false }
    }

    pub(super) fn begin(&mut self) {
        (self.of_message, self.cut) = (RUNS_OF_ONE, false);
    }

    /// Whether all that was thought of was tried.
    pub(super) fn are_enough(&self) -> bool {
        self.of_request.min(self.of_message) > 0 && !self.cut
    }

    pub(super) fn take(&mut self) -> bool {
        let left = self.of_request.min(self.of_message) > 0;
        self.of_request -= u32::from(left);
        self.of_message -= u32::from(left);
        left
    }

    /// An instant that was named is left untried.
    pub(super) fn cut(&mut self) {
        self.cut = true;
    }
}
