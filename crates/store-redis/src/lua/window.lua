-- The exact window. The set has a token for each charge, by the instant it was made; the hash has each token's cost,
-- negative once it cannot be given back, `u` the cost of all, `x` until when both are kept, and `s`: how far the clock was
-- set back in all, so that instants in the set, and `x`, stay as they were written.
local window = {}

-- Most entries looked at in one call to find a wait; beyond that the wait is the least that is certain.
local WALK = 4096
-- Entries read at once: below what Lua can unpack.
local BATCH = 500

-- Drops what has left the window.
local function leave(c, usage)
  local newest = usage.x > usage.at and redis.call('ZRANGE', c.z, -1, -1, 'WITHSCORES')[2]
  if usage.fresh or not newest or newest + c.per <= usage.at then
    if not usage.fresh then redis.call('DEL', c.h, c.z) end
    usage.fresh, usage.u, usage.s, usage.at = true, 0, 0, usage.t
    return
  end
  if newest + c.per > usage.x then
    -- The period was made longer since: what it still counts is kept for longer.
    usage.x = newest + c.per
    redis.call('HSET', c.h, 'x', int(usage.x))
    expire(c.h, usage.x - usage.at)
    expire(c.z, usage.x - usage.at)
  end
  local bound = int(usage.at - c.per)
  repeat
    local gone = redis.call('ZRANGEBYSCORE', c.z, '-inf', bound, 'LIMIT', 0, BATCH)
    if #gone > 0 then
      for _, cost in ipairs(redis.call('HMGET', c.h, unpack(gone))) do
        usage.u = usage.u - math.abs(cost)
      end
      redis.call('ZREM', c.z, unpack(gone))
      redis.call('HDEL', c.h, unpack(gone))
      redis.call('HSET', c.h, 'u', int(usage.u))
    end
  until #gone < BATCH
end

-- Until `over` has left.
local function until_left(c, usage, over)
  local first, leaves = 0, 0
  while first < WALK do
    local read = redis.call('ZRANGE', c.z, first, first + BATCH - 1, 'WITHSCORES')
    for i = 1, #read, 2 do
      leaves = read[i + 1] + c.per - usage.at
      over = over - math.abs(redis.call('HGET', c.h, read[i]))
      if over <= 0 then return leaves end
    end
    if #read < 2 * BATCH then return leaves end
    first = first + BATCH
  end
  return leaves
end

function window.look(c, usage, now)
  local at, back = steady(usage.t, now)
  usage.t, usage.s, usage.stepped = at, usage.s + back, back > 0
  usage.at = at + usage.s
  leave(c, usage)
  if c.cost > c.quota then return 0, true end
  local over = usage.u + c.cost - c.quota
  if c.cost > 0 and over > 0 then return ms(until_left(c, usage, over)), false end
end

function window.standing(c, usage)
  local oldest = not usage.fresh and redis.call('ZRANGE', c.z, 0, 0, 'WITHSCORES')[2]
  if not oldest and c.cost > 0 then oldest = usage.at end
  local reset = oldest and oldest + c.per - usage.at or 0
  return math.max(0, c.quota - usage.u - c.cost), ms(reset), 0
end

function window.charge(c, usage)
  if c.cost > 0 then
    redis.call('ZADD', c.z, int(usage.at), c.token)
    redis.call('HSET', c.h, c.token, c.cost)
  end
  local newest = redis.call('ZRANGE', c.z, -1, -1, 'WITHSCORES')[2]
  local leaves = newest and newest + c.per or 0
  redis.call('HSET', c.h, 's', int(usage.s), 'u', int(usage.u + c.cost), 'x', int(leaves))
  return c.per
end
