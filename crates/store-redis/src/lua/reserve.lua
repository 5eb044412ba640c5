-- KEYS: the reservation's. ARGV: clock, message, token, microseconds to live, and of these how many before the message
-- is accepted; the rest is `more`. Returns nothing where it is the message's
-- now, else who holds it and until when.
local key, by = KEYS[1], ARGV[2]
local ends, at = live(key, clock())
if ends then
  local holder = redis.call('HGET', key, 'by')
  if holder ~= by then return { holder, ms(ends) } end
end
local ttl, lease = tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('HSET', key, 'by', by, 'open', ARGV[3], 'more', int(math.max(0, ttl - lease)))
lasts(key, at, math.min(ttl, lease))
return false
