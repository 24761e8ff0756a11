-- Makes a session the holder of its device, unless a newer session of the same epoch holds it.
-- (Session numbers of different epochs cannot be compared: after a restore they may go back.)
-- What nobody has written for the time to live is taken out on the way.
--
-- KEYS  1 presence:<account_id>
-- ARGV  1 device_id  2 gateway_id  3 session  4 epoch  5 time to live in seconds
-- Returns { 1, the former holder or '' } or { 0, the newer holder }.

local now = tonumber(redis.call('TIME')[1])
local ttl = tonumber(ARGV[5])
local former = redis.call('HGET', KEYS[1], ARGV[1]) or ''
local gateway, session, epoch = string.match(former, '^(%S+) (%d+) (%S+) %d+$')

if gateway == ARGV[2] and session == ARGV[3] and epoch == ARGV[4] then
  former = '' -- its own, written again
elseif epoch == ARGV[4] and tonumber(session) >= tonumber(ARGV[3]) then
  return { 0, former }
end

local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local written = tonumber(string.match(fields[i + 1], ' (%d+)$') or '0')
  if written + ttl < now then redis.call('HDEL', KEYS[1], fields[i]) end
end
redis.call('HSET', KEYS[1], ARGV[1], table.concat({ ARGV[2], ARGV[3], ARGV[4], now }, ' '))
redis.call('EXPIRE', KEYS[1], ttl)
return { 1, former }
