#!lua flags=allow-oom
-- Gives a job back unstarted. Answers 1, or 0 where the token is stale.
local id, token, ttl = ARGV[4], ARGV[5], ARGV[6]
local job = JOBS .. id
if not holds(id, token) then return 0 end
local fields = redis.call('HMGET', job, 'cancel', 'priority')
if fields[1] then
  conclude(id, now_ms(), ttl, 'cancelled', 'cancelled', {})
  return 1
end
redis.call('ZREM', RUNNING, id)
redis.call('HDEL', job, 'worker', 'started')
redis.call('HSET', job, 'status', 'queued')
redis.call('HINCRBY', job, 'attempts', -1)
redis.call('LPUSH', LISTS[fields[2]], id)
wake()
return 1
