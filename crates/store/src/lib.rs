//! What is kept: messages, idempotency keys, and the policies' memory.
