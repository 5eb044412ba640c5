-- The eighth version: whether replicas have agreed that a key is this one's, so that a restart need not ask them again.
ALTER TABLE idempotency_keys ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0 /* replicas have agreed that it stands for these messages */;
