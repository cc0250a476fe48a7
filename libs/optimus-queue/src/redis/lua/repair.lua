#!lua flags=allow-oom
-- Puts one suspect of the audit right, if it still is wrong. Answers {requeued, dropped}.
local id, lease = ARGV[4], tonumber(ARGV[5])
local fields = redis.call('HMGET', JOBS .. id, 'status', 'priority', 'version')
local status = fields[1]
if is_newer(fields[3]) then return { 0, 0 } end

if status == 'queued' then
  if redis.call('ZSCORE', DELAYED, id) then return { 0, 0 } end
  for _, list in pairs(LISTS) do
    if redis.call('LPOS', list, id) then return { 0, 0 } end
  end
  redis.call('LPUSH', LISTS[fields[2]], id)
  redis.call('HINCRBY', COUNTERS, 'requeued:' .. LANGUAGE, 1)
  wake()
  return { 1, 0 }
elseif status == 'running' then
  if redis.call('ZSCORE', RUNNING, id) then return { 0, 0 } end
  -- Its worker may be well: a new lease lets it go on, or lets reap find out.
  redis.call('ZADD', RUNNING, now_ms() + lease, id)
  return { 1, 0 }
end

local dropped = redis.call('ZREM', DELAYED, id) + redis.call('ZREM', RUNNING, id)
for _, list in pairs(LISTS) do dropped = dropped + redis.call('LREM', list, 0, id) end
return { 0, dropped }
