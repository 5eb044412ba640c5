#!lua
-- KEYS: the idempotency key's. ARGV: lease token, fingerprint, milliseconds to keep, status, headers, body, message.
-- Returns whether it is bound to this answer.
local lease = redis.call('HGET', KEYS[1], 'lease')
if lease and lease ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'lease', ARGV[1], 'print', ARGV[2], 'status', ARGV[4], 'headers', ARGV[5], 'body', ARGV[6],
  'message', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
