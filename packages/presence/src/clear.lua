-- Takes a session's presence away, if it is still the holder: a newer session's stays.
--
-- KEYS  1 presence:<account_id>
-- ARGV  1 device_id  2 gateway_id  3 session
-- Returns 1 if it was the holder, else 0.

local value = redis.call('HGET', KEYS[1], ARGV[1]) or ''
local gateway, session = string.match(value, '^(%S+) (%d+) ')
if gateway ~= ARGV[2] or session ~= ARGV[3] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
