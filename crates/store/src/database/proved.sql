-- The thirteenth version: keys that a report has put in force again (`freed` is 2), of which replicas are still to be told.
CREATE INDEX idempotency_keys_proved ON idempotency_keys (freed) WHERE freed = 2;
