-- KEYS: the reservation's. Returns who holds it and until when, or nothing.
local ends = live(KEYS[1], clock())
if not ends then return false end
local got = redis.call('HMGET', KEYS[1], 'by', 'more')
return { got[1], ms(ends + (got[2] or 0)) }
