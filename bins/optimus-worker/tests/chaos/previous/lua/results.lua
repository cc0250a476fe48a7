-- What the scripts share that write results and drop them; put after lib.lua. KEYS[9] are all results; the last arguments
-- are the prefix of their keys and the most bytes of all.
local RESULTS = KEYS[9]
local RESULT, MOST_BYTES = ARGV[#ARGV - 1], tonumber(ARGV[#ARGV])

local function uncount(member, bytes)
  redis.call('ZREM', RESULTS, member)
  redis.call('HINCRBY', COUNTERS, 'result_bytes', -bytes)
end

-- Counts off what has expired, and drops the details of the oldest results until all together are within the bound.
-- Answers 1 where it stopped before.
local function make_room(now)
  local AT_ONCE = 100
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', RESULTS, '-inf', now, 'LIMIT', 0, AT_ONCE)) do
    uncount(member, string.match(member, ':(%d+)$'))
  end
  for _ = 1, AT_ONCE do
    if tonumber(redis.call('HGET', COUNTERS, 'result_bytes') or 0) <= MOST_BYTES then return 0 end
    local oldest = redis.call('ZRANGE', RESULTS, 0, 0)[1]
    if not oldest then return 0 end
    local id, bytes = string.match(oldest, '^(.*):(%d+)$')
    redis.call('DEL', RESULT .. id)
    redis.call('HDEL', JOBS .. id, 'result', 'result_bytes')
    uncount(oldest, bytes)
  end
  return 1
end
