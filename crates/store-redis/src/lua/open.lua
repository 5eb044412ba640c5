-- Charges that may still be given back, for limits that keep only a sum: the set has their tokens in the order they
-- were made, the hash what each may give back, `o` the sum of that, `n` the number of the latest.

-- Most of one usage; of more, the oldest count as kept.
local OPEN = 1024

-- Takes `less` from the oldest open charge and returns what was taken; nothing where there is none.
local function lower_oldest(c, less)
  local token = redis.call('ZRANGE', c.z, 0, 0)[1]
  if not token then return nil end
  local amount = tonumber(redis.call('HGET', c.h, token) or 0)
  if less < amount then
    redis.call('HSET', c.h, token, int(amount - less))
    return less
  end
  redis.call('ZREM', c.z, token)
  redis.call('HDEL', c.h, token)
  return amount
end

-- Lowers what can be given back to at most `most` in all.
local function lower_to(c, usage, most)
  while usage.o > most do
    local less = lower_oldest(c, usage.o - most)
    usage.o = less and usage.o - less or 0
    if not less then return end
  end
end

local function open(c, usage, amount)
  if redis.call('ZCARD', c.z) >= OPEN then usage.o = usage.o - lower_oldest(c, math.huge) end
  usage.n = usage.n + 1
  usage.o = usage.o + amount
  redis.call('ZADD', c.z, usage.n, c.token)
  redis.call('HSET', c.h, c.token, int(amount))
end
