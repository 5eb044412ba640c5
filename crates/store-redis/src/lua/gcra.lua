-- The generic cell rate algorithm. `l` is how far ahead of the clock the limit was charged at `t`, in nanoseconds: together
-- they are the theoretical arrival time.
local gcra = {}

local function ns_to_ms(ns)
  return ms(ns / 1000)
end

function gcra.look(c, usage, now)
  local at, back = steady(usage.t, now)
  local gone = usage.t and back == 0 and (at - usage.t) * 1000 or 0
  usage.t, usage.l, usage.stepped = at, math.max(0, usage.l - gone), back > 0
  if c.queue then return end
  if c.cost > c.burst then return 0, true end
  local wait = usage.l + (c.cost - c.burst) * c.span
  if c.cost > 0 and wait > 0 then return ns_to_ms(wait), false end
end

function gcra.standing(c, usage)
  local ahead = usage.l + c.cost * c.span
  local delay = 0
  if c.cost > 0 then
    delay = math.max(0, usage.l + (math.min(c.cost, c.burst) - c.burst) * c.span)
  end
  local room = math.max(0, c.burst * c.span - ahead)
  return math.floor(room / c.span), ns_to_ms(ahead), ns_to_ms(delay)
end

function gcra.charge(c, usage)
  if c.cost > 0 then
    -- Where the clock has caught up with earlier charges, giving those back frees nothing more.
    lower_to(c, usage, usage.l)
    open(c, usage, c.cost * c.span)
    usage.l = usage.l + c.cost * c.span
  end
  redis.call('HSET', c.h, 'l', int(usage.l), 'o', int(usage.o), 'n', usage.n)
  return usage.l / 1000
end
