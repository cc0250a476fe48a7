#!lua flags=allow-oom
-- Cancels a queued job, or marks a running one. Answers 'done', 'requested', the terminal state it is in,
-- 'newer:' and the version of a record that is newer, or false.
local id, ttl = ARGV[4], ARGV[5]
local job = JOBS .. id
local fields = redis.call('HMGET', job, 'status', 'priority', 'version')
local status = fields[1]
if is_newer(fields[3]) then return 'newer:' .. fields[3] end
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
