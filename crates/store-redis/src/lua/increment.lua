-- KEYS: the value's. ARGV: clock, what to add, microseconds to live. Returns the sum as text, or nothing where the value
-- is no counter.
local key, delta = KEYS[1], ARGV[2]
local ends, at = live(key, clock())
if not ends then
  redis.call('HSET', key, 'v', delta)
  lasts(key, at, tonumber(ARGV[3]))
  return delta
end
-- Redis counts in whole 64 bits, which Lua's numbers cannot: adding nothing tells whether it is a counter at all.
if type(redis.pcall('HINCRBY', key, 'v', 0)) == 'table' then return false end
if type(redis.pcall('HINCRBY', key, 'v', delta)) == 'table' then
  local far = '9223372036854775807'
  if string.sub(delta, 1, 1) == '-' then far = '-9223372036854775808' end
  redis.call('HSET', key, 'v', far)
end
return redis.call('HGET', key, 'v')
