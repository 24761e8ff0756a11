-- Keys: presence hashes, and behind them leases; the argument says how many are hashes.
-- Returns for each hash its fields and values, and for each lease 1 or 0.

local found = {}
local hashes = tonumber(ARGV[1])
for index, key in ipairs(KEYS) do
  found[index] = redis.call(index <= hashes and 'HGETALL' or 'EXISTS', key)
end
return found
