#!lua flags=allow-oom
-- KEYS: the idempotency key's. ARGV: lease token, message; empty for none. Frees a key that this lease has, bound or not,
-- and one that is bound to an answer about this message. Returns whether it did.
-- One that another program wrote over is neither.
local got = redis.pcall('HMGET', KEYS[1], 'lease', 'status', 'message')
local leased = ARGV[1] ~= '' and got[1] == ARGV[1]
local bound = ARGV[2] ~= '' and got[2] and got[3] == ARGV[2]
if not (leased or bound) then return 0 end
return redis.call('DEL', KEYS[1])
