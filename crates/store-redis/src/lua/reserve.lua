-- KEYS: the reservation's. ARGV: clock, message, token, microseconds to live. Returns nothing where it is the message's
-- now, else who holds it and until when.
local key, by = KEYS[1], ARGV[2]
local ends, at = live(key, clock())
if ends then
  local holder = redis.call('HGET', key, 'by')
  if holder ~= by then return { holder, ms(ends) } end
end
redis.call('HSET', key, 'by', by, 'open', ARGV[3])
lasts(key, at, tonumber(ARGV[4]))
return false
