#!lua
-- KEYS: the idempotency key's. ARGV: lease token, fingerprint, milliseconds to keep, status, headers, body, message, 1
-- where a key bound to the same message counts as one's own. Returns whether it is bound to this answer.
local got = redis.call('HMGET', KEYS[1], 'lease', 'status', 'message')
if got[1] and got[1] ~= ARGV[1] then
  local same = ARGV[8] == '1' and got[2] and ARGV[7] ~= '' and got[3] == ARGV[7]
  if not same then return 0 end
end
redis.call('HSET', KEYS[1], 'lease', ARGV[1], 'print', ARGV[2], 'status', ARGV[4], 'headers', ARGV[5], 'body', ARGV[6],
  'message', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
