-- KEYS: the idempotency key's. ARGV: lease token, fingerprint, milliseconds of the lease.
-- Returns 'new'; 'other' and the fingerprint there, with the milliseconds left where it is in flight; 'flight' and the milliseconds left; or 'done' and the answer.
local got = redis.call('HMGET', KEYS[1], 'print', 'status')
if not got[1] then
  redis.call('HSET', KEYS[1], 'lease', ARGV[1], 'print', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return { 'new' }
end
if got[1] ~= ARGV[2] then
  if got[2] then return { 'other', got[1] } end
  return { 'other', got[1], redis.call('PTTL', KEYS[1]) }
end
if not got[2] then return { 'flight', redis.call('PTTL', KEYS[1]) } end
return { 'done', unpack(redis.call('HMGET', KEYS[1], 'status', 'headers', 'body', 'message')) }
