-- KEYS: the value's. ARGV[2]: how many microseconds longer it has to live, none where absent. Returns the value, or
-- nothing.
if not live(KEYS[1], clock() + tonumber(ARGV[2] or 0)) then return false end
return redis.call('HGET', KEYS[1], 'v')
