-- KEYS: the reservation's. Returns who holds it and until when, or nothing.
local ends = live(KEYS[1], clock())
if not ends then return false end
return { redis.call('HGET', KEYS[1], 'by'), ms(ends) }
