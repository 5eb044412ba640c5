-- Quotas by the calendar: `u` is the cost used from `b` to `e`, which the caller worked out by its own clock for the
-- period before, the current one and the next; the server's clock says which of them it is.
local calendar = {}

local function period(c, at)
  for i = 1, 3 do
    if c.bounds[i] <= at and at < c.bounds[i + 1] then return c.bounds[i], c.bounds[i + 1] end
  end
end

function calendar.look(c, usage, now)
  local at, back = steady(usage.t, now)
  usage.t, usage.at, usage.stepped = at, at, back > 0
  local begins, ends = period(c, at)
  if not begins then return nil, nil, true end
  if not usage.e or at >= usage.e then
    usage.fresh, usage.u, usage.o, usage.n, usage.b, usage.e = true, 0, 0, 0, begins, ends
  elseif at < usage.b then
    -- The clock was set back over midnight: what was used stays used.
    usage.b, usage.e = begins, ends
  end
  if c.cost > c.quota then return 0, true end
  if c.cost > 0 and usage.u + c.cost > c.quota then return ms(usage.e - at), false end
end

function calendar.standing(c, usage)
  return math.max(0, c.quota - usage.u - c.cost), ms(usage.e - usage.at), 0
end

function calendar.charge(c, usage)
  if c.cost > 0 then open(c, usage, c.cost) end
  redis.call('HSET', c.h, 'u', int(usage.u + c.cost), 'b', int(usage.b), 'e', int(usage.e))
  redis.call('HSET', c.h, 'o', int(usage.o), 'n', usage.n)
  return usage.e - usage.at
end
