#!lua flags=allow-oom
-- Takes back jobs whose lease has expired. Answers {requeued, dead, more}; more is 1 where the bound was reached.
local rules, AT_ONCE = rules_from(4), 100
local now = now_ms()
local counts = { requeued = 0, dead = 0, cancelled = 0 }
local expired = redis.call('ZRANGEBYSCORE', RUNNING, '-inf', now, 'LIMIT', 0, AT_ONCE)
for _, id in ipairs(expired) do
  local fields = redis.call('HMGET', JOBS .. id, 'status', 'worker')
  if fields[1] == 'running' then
    local reason = 'worker ' .. (fields[2] or 'unknown') .. ' stopped renewing its lease'
    local outcome = take_back(id, now, reason, rules)
    counts[outcome] = counts[outcome] + 1
  else
    redis.call('ZREM', RUNNING, id)
  end
end
-- A worker that left may have taken a wake-up with it.
if redis.call('EXISTS', WAKE) == 0 and due_in(now) == 0 then wake() end
return { counts.requeued, counts.dead, #expired == AT_ONCE and 1 or 0 }
