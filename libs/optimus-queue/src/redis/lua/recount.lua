#!lua flags=allow-oom
-- Corrects the counter of stored bytes, if no job came or went since the audit began. KEYS[1] the counters, ARGV[1]
-- the bytes found, then the counters as they were.
local counters = redis.call('HGETALL', KEYS[1])
if #counters ~= #ARGV - 1 then return 0 end
for i, value in ipairs(counters) do
  if value ~= ARGV[i + 1] then return 0 end
end
redis.call('HSET', KEYS[1], 'stored_bytes', ARGV[1])
return 1
