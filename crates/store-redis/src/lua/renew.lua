#!lua
-- KEYS: the idempotency key's. ARGV: lease token, fingerprint, milliseconds of the lease. Returns whether it is the
-- lease's: one that ran out while nobody else claimed the key is taken up again.
local got = redis.call('HMGET', KEYS[1], 'lease', 'status')
if got[1] and got[1] ~= ARGV[1] then return 0 end
if got[2] then return 1 end
redis.call('HSET', KEYS[1], 'lease', ARGV[1], 'print', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
