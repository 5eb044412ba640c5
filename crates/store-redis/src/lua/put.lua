-- KEYS: the value's. ARGV: clock, value, microseconds to live, 1 where it must not replace. Returns whether it was kept.
local ends, at = live(KEYS[1], clock())
if ends and ARGV[4] == '1' then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[2])
lasts(KEYS[1], at, tonumber(ARGV[3]))
return 1
