//! The bound on a policy's memory, which remembers that it refused.

use thiserror::Error;
use wasmtime::ResourceLimiter;

/// Most elements of all the tables of one instance.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;

/// Counts what the linear memories and tables of one store hold.
#[derive(Debug)]
pub(crate) struct MemoryMeter {
    limit: usize,
    bytes: usize,
    elements: usize,
    refused: Option<Refused>,
}

/// What a guest asked for that is above its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// So many bytes of memory in all.
    #[error("it asked for {} MiB in all; raise `memory_mb`", .0.div_ceil(1 << 20))]
    Memory(usize),
    /// So many elements of tables in all.
    #[error("it asked for tables of {0} elements in all; at most {TABLE_ELEMENTS} are given")]
    Tables(usize),
}

impl MemoryMeter {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, bytes: 0, elements: 0, refused: None }
    }

    /// What the store's memories hold. They never shrink, so this is also the most they ever held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the guest last asked for above its limit.
    pub(crate) fn refused(&self) -> Option<Refused> {
        self.refused
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        let fits = bytes <= self.limit;
        match fits {
            true => self.bytes = bytes,
            false => self.refused = Some(Refused::Memory(bytes)),
        }
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = self.elements.saturating_add(desired.saturating_sub(current));
        let fits = elements <= TABLE_ELEMENTS;
        match fits {
            true => self.elements = elements,
            false => self.refused = Some(Refused::Tables(elements)),
        }
        Ok(fits)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use wasmtime::ResourceLimiter;

    use super::{MemoryMeter, Refused};

    #[test]
    fn several_memories_share_one_limit_and_a_refusal_is_remembered() {
        let mut meter = MemoryMeter::new(3 << 16);
        assert!(meter.memory_growing(0, 1 << 16, None).unwrap());
        assert!(meter.memory_growing(0, 2 << 16, None).unwrap());
        assert_eq!(meter.refused(), None);

        assert!(!meter.memory_growing(1 << 16, 2 << 16, None).unwrap());
        assert_eq!(meter.refused(), Some(Refused::Memory(4 << 16)));
    }
}
