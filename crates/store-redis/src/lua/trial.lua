#!lua
-- Calls every command that the scripts call, on a key of its own, which is gone afterwards. Returns the time; or the code
-- that the server refused the first with that it refused, and each that it refused so.
local key = KEYS[1]
local calls = {
  { 'TIME' },
  { 'SET', key, 1, 'PX', 60000 },
  { 'DEL', key },
  { 'HSET', key, 'f', 1 },
  { 'HGET', key, 'f' },
  { 'HMGET', key, 'f' },
  { 'HEXISTS', key, 'f' },
  { 'HINCRBY', key, 'f', 1 },
  { 'PEXPIRE', key, 60000 },
  { 'PTTL', key },
  { 'HDEL', key, 'f' },
  { 'ZADD', key, 1, 'm' },
  { 'ZCARD', key },
  { 'ZRANGE', key, 0, 0 },
  { 'ZRANGEBYSCORE', key, 0, 1 },
  { 'ZREM', key, 'm' },
  { 'XADD', key, '*', 'f', 1 },
  { 'XLEN', key },
  { 'XRANGE', key, '-', '+', 'COUNT', 1 },
  { 'XINFO', 'STREAM', key },
  { 'DEL', key },
}

local function code(err)
  -- Before Redis 7.2 it has no code of its own.
  if string.find(err, "can't run this command", 1, true) then return 'NOPERM' end
  return string.match(err, '^%-?(%u+)') or 'ERR'
end

local refused, time = {}, nil
for _, call in ipairs(calls) do
  local answer = redis.pcall(unpack(call))
  if call[1] == 'TIME' then time = answer end
  local err = type(answer) == 'table' and answer.err
  if err then
    refused[1] = refused[1] or code(err)
    if code(err) == refused[1] then refused[#refused + 1] = call[1] end
  end
end
if refused[1] then return refused end
return time
