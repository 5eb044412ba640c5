#!lua flags=allow-oom
-- Ends holds: kept, or given back. One that is not open any more stays as it was settled. Or has them owned: their message
-- is accepted, so that a reservation lasts for its whole time.
--
-- KEYS: a hash and a set for each limit's, the reservation twice for a reservation's. ARGV: keep, back or own,
-- then each hold's token.
local back, own = ARGV[1] == 'back', ARGV[1] == 'own'

local function reservation(key)
  if back then
    redis.call('DEL', key)
    return
  end
  local got = redis.call('HMGET', key, 'more', 'e')
  local more = tonumber(got[1] or 0)
  if more > 0 then
    redis.call('HSET', key, 'more', 0, 'e', string.format('%.0f', got[2] + more))
    redis.call('PEXPIRE', key, redis.call('PTTL', key) + math.ceil(more / 1000))
  end
  if not own then redis.call('HDEL', key, 'open') end
end

-- Adds to a field that may be missing.
local function add(h, field, amount)
  redis.call('HSET', h, field, string.format('%.0f', (redis.call('HGET', h, field) or 0) + amount))
end

local function window(h, z, token, cost)
  if cost < 0 then return end
  if not back then
    redis.call('HSET', h, token, -cost)
    return
  end
  redis.call('ZREM', z, token)
  redis.call('HDEL', h, token)
  add(h, 'u', -cost)
end

local function sum(h, z, token, amount, field)
  redis.call('ZREM', z, token)
  redis.call('HDEL', h, token)
  add(h, 'o', -amount)
  if back then add(h, field, -amount) end
end

local function settle(h, z, token)
  if h == z then
    if redis.call('HGET', h, 'open') == token then reservation(h) end
  elseif not own then
    local amount = tonumber(redis.call('HGET', h, token))
    local kind = string.sub(redis.call('HGET', h, 'k') or ' ', 1, 1)
    if amount and kind == 'w' then window(h, z, token, amount) end
    if amount and kind == 'g' then sum(h, z, token, amount, 'l') end
    if amount and kind == 'c' then sum(h, z, token, amount, 'u') end
  end
end

for i = 1, #KEYS / 2 do
  -- A key that another program wrote over is no hold any more, and must not keep the others from being settled.
  pcall(settle, KEYS[2 * i - 1], KEYS[2 * i], ARGV[i + 1])
end
return 1
