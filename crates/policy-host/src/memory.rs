//! The bound on a policy's memory, which remembers that it refused.

use wasmtime::ResourceLimiter;

/// Most elements of all the tables of one instance.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;

/// Counts what the linear memories and tables of one store hold.
#[derive(Debug)]
pub(crate) struct MemoryMeter {
    limit: usize,
    bytes: usize,
    elements: usize,
    refused: bool,
}

impl MemoryMeter {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, bytes: 0, elements: 0, refused: false }
    }

    /// Whether the guest ever asked for more than its limit.
    pub(crate) fn refused(&self) -> bool {
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
            false => self.refused = true,
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
            false => self.refused = true,
        }
        Ok(fits)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use wasmtime::ResourceLimiter;

    use super::MemoryMeter;

    #[test]
    fn several_memories_share_one_limit_and_a_refusal_is_remembered() {
        let mut meter = MemoryMeter::new(3 << 16);
        assert!(meter.memory_growing(0, 1 << 16, None).unwrap());
        assert!(meter.memory_growing(0, 2 << 16, None).unwrap());
        assert!(!meter.refused());

        assert!(!meter.memory_growing(1 << 16, 2 << 16, None).unwrap());
        assert!(meter.refused());
    }
}
