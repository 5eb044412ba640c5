//! What stands in for the machine while a guest runs: a clock, randomness and output, each a function of the visit.

use sha2::{Digest as _, Sha256};

use crate::Grant;
use crate::bindings::log::Level;
use crate::visit::Visit;

/// Most random bytes of one call.
const RANDOM_BYTES: u64 = 64 << 10;
const NS_PER_MS: u64 = 1_000_000;

/// The stream that a guest writes to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Output {
    Stdout,
    Stderr,
}

/// What one visit has used of it.
#[derive(Debug, Default)]
pub(crate) struct Ambient {
    /// How long the guest has waited; its monotonic clock is ahead by so much.
    waited_ns: u64,
    /// Blocks of randomness that were given out.
    blocks: u64,
    /// What each stream wrote since its last end of line.
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Visit {
    /// The instant of the decision; 0 while no message is at hand.
    pub(super) fn now_ms(&self) -> u64 {
        self.asking.as_ref().map_or(0, |asking| asking.now.0)
    }

    pub(super) fn monotonic_ns(&self) -> u64 {
        self.now_ms().saturating_mul(NS_PER_MS).saturating_add(self.ambient.waited_ns)
    }

    pub(super) fn wait_ns(&mut self, how_long: u64) {
        self.ambient.waited_ns = self.ambient.waited_ns.saturating_add(how_long);
    }

    /// The next eight bytes that follow from the message's id.
    pub(super) fn random(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.random_block();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The next bytes that do; not more than the bound.
    pub(super) fn random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        let len = usize::try_from(len.min(RANDOM_BYTES + 1))?;
        if len as u64 > RANDOM_BYTES {
            let said = format!("it asked for more than {RANDOM_BYTES} random bytes at once");
            return Err(wasmtime::Error::msg(said));
        }
        let mut bytes = Vec::with_capacity(len.next_multiple_of(32));
        while bytes.len() < len {
            bytes.extend(self.random_block());
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    fn random_block(&mut self) -> [u8; 32] {
        let id = self.asking.as_ref().map_or("", |asking| &*asking.by.0);
        let block = Sha256::new()
            .chain_update(self.ambient.blocks.to_le_bytes())
            .chain_update(id)
            .finalize();
        self.ambient.blocks += 1;
        block.into()
    }

    /// Takes what the guest writes, and logs each whole line where it may log.
    pub(super) fn write(&mut self, to: Output, bytes: &[u8]) {
        if !self.grants.contains(Grant::Log) && self.heard.is_none() {
            self.spent.unheard = true;
            return;
        }
        // A line with one byte too much is dropped and counted like any that does not fit.
        let most = self.limits.log_bytes.saturating_add(1);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let line = self.line(to);
            let room = most.saturating_sub(line.len());
            line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < piece.len() {
                self.end_line(to);
            }
        }
    }

    /// Logs what was written without an end of line.
    pub(crate) fn end_lines(&mut self) {
        self.end_line(Output::Stdout);
        self.end_line(Output::Stderr);
    }

    fn end_line(&mut self, of: Output) {
        let line = std::mem::take(self.line(of));
        if line.is_empty() {
            return;
        }
        let level = match of {
            Output::Stdout => Level::Info,
            Output::Stderr => Level::Warn,
        };
        self.say(level, &String::from_utf8_lossy(&line));
    }

    fn line(&mut self, of: Output) -> &mut Vec<u8> {
        match of {
            Output::Stdout => &mut self.ambient.stdout,
            Output::Stderr => &mut self.ambient.stderr,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;
    use std::time::Duration;

    use message::{MessageId, Timestamp};
    use store::MemoryLedger;

    use super::{Output, RANDOM_BYTES};
    use crate::visit::{Asking, Visit};
    use crate::{Grant, Grants, PolicyName, VisitLimits};

    fn visit(grants: &[Grant], id: &str) -> Visit {
        let (times, ledger) = (Default::default(), Arc::new(MemoryLedger::default()));
        let limits = VisitLimits { log_bytes: 128, ..VisitLimits::default() };
        let grants = grants.iter().copied().collect::<Grants>();
        let mut visit =
            Visit::new(PolicyName::new("p"), limits, grants, times, ledger, Arc::default(), None);
        let by = MessageId(id.into());
        let (now, probes) = (Timestamp(1_800_000_000_001), Vec::new());
        visit.begin(Some(Asking {
            by,
            handset: Box::default(),
            text: "the code is 482913".into(),
            now,
            dry_run: false,
            ahead: Duration::ZERO,
            account: message::DEFAULT_ACCOUNT.into(),
            record: false,
            heeded: true,
            foresight: None,
            probes,
        }));
        visit
    }

    #[test]
    fn randomness_is_the_messages_own_and_never_the_same_twice_in_it() {
        let drawn = |id: &str| {
            let mut visit = visit(&[], id);
            (visit.random(), visit.random(), visit.random_bytes(33).unwrap())
        };
        assert_eq!(drawn("m1"), drawn("m1"));
        let (first, second, bytes) = drawn("m1");
        assert_ne!(first, second);
        assert_eq!(bytes.len(), 33);
        assert_ne!(drawn("m2").0, first);
    }

    #[test]
    fn too_many_random_bytes_are_refused_before_they_are_made() {
        let mut visit = visit(&[], "m1");
        assert_eq!(visit.random_bytes(RANDOM_BYTES).unwrap().len() as u64, RANDOM_BYTES);
        assert!(visit.random_bytes(u64::MAX).is_err());
    }

    #[test]
    fn the_clock_shows_the_decision_and_waiting_moves_it_for_this_visit_only() {
        let mut visit = visit(&[], "m1");
        assert_eq!(visit.now_ms(), 1_800_000_000_001);
        let before = visit.monotonic_ns();
        visit.wait_ns(5);
        assert_eq!(visit.monotonic_ns(), before + 5);
        visit.wait_ns(u64::MAX);
        assert_eq!(visit.monotonic_ns(), u64::MAX);
        visit.begin(visit.asking.clone());
        assert_eq!(visit.monotonic_ns(), before);
    }

    #[test]
    fn only_who_may_log_is_heard_and_no_more_than_the_bound() {
        let mut mute = visit(&[], "m1");
        mute.write(Output::Stdout, b"hello\n");
        assert_eq!(mute.end().log_bytes, 0);

        let mut visit = visit(&[Grant::Log], "m1");
        visit.write(Output::Stdout, b"one\n\nt");
        assert_eq!(visit.spent.log_bytes, 64, "a line that has not ended was logged");
        visit.write(Output::Stdout, b"wo");
        visit.write(Output::Stderr, &[b'x'; 4_096]);
        assert_eq!(visit.ambient.stderr.len(), 129, "more is kept than the bound");
        visit.end_lines();
        let spent = visit.end();
        assert_eq!((spent.log_bytes, spent.log_dropped), (128, 1));
    }
}
