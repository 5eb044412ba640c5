-- KEYS: the value's. Returns the value, or nothing.
if not live(KEYS[1], clock()) then return false end
return redis.call('HGET', KEYS[1], 'v')
