#!lua
-- Every script decides by the server's own clock, in microseconds since 1970, and never goes back in time for a key.
-- ARGV[1] is empty, or the instant that a test decides by.
--
-- The first line has a full server refuse the script as a whole (Redis 7, "Script flags"), before it changes anything.

-- A reading that lags by up to this counts as the latest one; a longer lag is a clock that was set back.
-- Everything is kept this much longer than it counts, so that such a reading still finds it.
local LAG = 60 * 1000000

-- A whole number as text: Lua's own conversion keeps fourteen digits.
local function int(number)
  return string.format('%.0f', number)
end

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- The instant to decide by for a key that was last seen at `seen`, and by how much the clock was set back since.
local function steady(seen, now)
  if not seen or now >= seen then return now, 0 end
  if seen - now <= LAG then return seen, 0 end
  return now, seen - now
end

-- Milliseconds, never too few.
local function ms(us)
  return math.min(math.ceil(us / 1000), 9e15)
end

local function expire(key, us)
  redis.call('PEXPIRE', key, int(math.min(ms(us) + LAG / 1000, 1e15)))
end
