-- Looks at every limit, then charges all or none.
--
-- KEYS: a hash and a set for each charge. ARGV: clock, 1 to charge or 0 to look; then twelve for each charge: kind, cost,
-- quota, token, queue, period in microseconds, burst, nanoseconds that one cost takes, four bounds of periods.
-- Returns 1 and (remaining, reset, delay) for each charge; or 0 and (number, wait, never) for each that refuses; or 2
-- where the server's clock is in none of the periods. Times are in milliseconds.
--
-- The hash also has `k`, how the limit counts, and `t`, the latest instant seen.
local WORDS = 12
local kinds = { w = window, g = gcra, c = calendar }

local function read(number)
  local from = 2 + (number - 1) * WORDS
  local word = function(n) return ARGV[from + n] end
  local bounds = {}
  for i = 1, 4 do bounds[i] = tonumber(word(8 + i)) end
  return {
    h = KEYS[2 * number - 1], z = KEYS[2 * number], kind = word(1), how = kinds[string.sub(word(1), 1, 1)],
    cost = tonumber(word(2)), quota = tonumber(word(3)), token = word(4), queue = word(5) == '1',
    per = tonumber(word(6)), burst = tonumber(word(7)), span = tonumber(word(8)), bounds = bounds,
  }
end

-- What was used of the limit; nothing where it counted in another way before.
local function used(c)
  local got = redis.call('HMGET', c.h, 'k', 't', 's', 'u', 'l', 'o', 'n', 'b', 'e', 'x')
  if got[1] ~= c.kind then return { fresh = true, s = 0, u = 0, l = 0, o = 0, n = 0, x = 0 } end
  local number = function(i) return tonumber(got[i]) end
  return {
    t = number(2), s = number(3) or 0, u = number(4) or 0, l = number(5) or 0, o = number(6) or 0, n = number(7) or 0,
    b = number(8), e = number(9), x = number(10) or 0,
  }
end

local now, charging = clock(), ARGV[2] == '1'
local charges, usages, refusals = {}, {}, { 0 }
for i = 1, #KEYS / 2 do
  local c = read(i)
  local usage = used(c)
  charges[i], usages[i] = c, usage
  local wait, never, astray = c.how.look(c, usage, now)
  if astray then return { 2 } end
  if wait then
    for _, word in ipairs({ i, wait, never and 1 or 0 }) do refusals[#refusals + 1] = word end
  end
end

local refused = #refusals > 1
local standings = { 1 }
for i, c in ipairs(charges) do
  local usage = usages[i]
  if not refused then
    for _, word in ipairs({ c.how.standing(c, usage) }) do standings[#standings + 1] = word end
  end
  if charging and not refused then
    if usage.fresh then redis.call('DEL', c.h, c.z) end
    local lasting = c.how.charge(c, usage)
    redis.call('HSET', c.h, 'k', c.kind, 't', int(usage.t))
    expire(c.h, lasting)
    expire(c.z, lasting)
  elseif usage.stepped and not usage.fresh then
    -- A clock set back is remembered even where nothing is charged: else every look would find it set back again.
    redis.call('HSET', c.h, 't', int(usage.t), 's', int(usage.s), 'l', int(usage.l))
    if usage.b then redis.call('HSET', c.h, 'b', int(usage.b), 'e', int(usage.e)) end
  end
end
return refused and refusals or standings
