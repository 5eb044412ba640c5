#!lua flags=allow-oom
-- KEYS: the idempotency key's. ARGV: lease token. A key that is bound, or another's, stays.
local got = redis.call('HMGET', KEYS[1], 'lease', 'status')
if got[1] == ARGV[1] and not got[2] then redis.call('DEL', KEYS[1]) end
return 1
