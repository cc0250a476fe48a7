#!lua flags=allow-oom
-- Cancels a queued job, or marks a running one. Answers 'done', 'requested', the terminal state it is in, or false.
local id, ttl = ARGV[4], ARGV[5]
local job = JOBS .. id
local fields = redis.call('HMGET', job, 'status', 'priority')
local status = fields[1]
if status == 'queued' then
  -- From the tail: what is cancelled was mostly submitted lately.
  if redis.call('LREM', LISTS[fields[2]], -1, id) == 0 then redis.call('ZREM', DELAYED, id) end
  conclude(id, now_ms(), ttl, 'cancelled', 'cancelled', {})
  return 'done'
elseif status == 'running' then
  redis.call('HSET', job, 'cancel', 1)
  redis.call('PUBLISH', EVENTS, 'cancel:' .. id)
  return 'requested'
end
return status
