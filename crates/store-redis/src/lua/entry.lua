-- Values and reservations: a hash with `t`, the instant it was written, and `e`, its end.

-- The end of what is under `key` and the instant to decide by; what has ended is dropped and has no end.
local function live(key, now)
  local got = redis.call('HMGET', key, 't', 'e')
  if not got[1] then return nil, now end
  local at, back = steady(tonumber(got[1]), now)
  local ends = tonumber(got[2]) - back
  if ends <= at then
    redis.call('DEL', key)
    return nil, at
  end
  if back > 0 then redis.call('HSET', key, 't', int(at), 'e', int(ends)) end
  return ends, at
end

-- Marks what was just written under `key` as lasting for `ttl` microseconds.
local function lasts(key, at, ttl)
  redis.call('HSET', key, 't', int(at), 'e', int(at + ttl))
  expire(key, ttl)
end
