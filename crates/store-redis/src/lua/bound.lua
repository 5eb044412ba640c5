#!lua
-- KEYS: the idempotency key's. Returns whether it is bound to an answer, whosever it is.
return redis.call('HEXISTS', KEYS[1], 'status')
