#!lua flags=allow-oom
-- Announces a worker: KEYS[1] the workers, ARGV its id and what it says of itself.
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], time[1] * 1000 + math.floor(time[2] / 1000) .. ' ' .. ARGV[2])
return 1
