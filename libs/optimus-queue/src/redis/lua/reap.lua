#!lua flags=allow-oom
-- Takes back jobs whose lease has expired, but for the first so many that are known to be of newer releases. Answers
-- {requeued, dead, newer, more}; newer is how many more such jobs there are, more is 1 where the bound was reached.
local rules, skipped, AT_ONCE = rules_from(4), ARGV[8], 100
local now = now_ms()
local counts = { requeued = 0, dead = 0, cancelled = 0, newer = 0 }
local expired = redis.call('ZRANGEBYSCORE', RUNNING, '-inf', now, 'LIMIT', skipped, AT_ONCE)
for _, id in ipairs(expired) do
  local fields = redis.call('HMGET', JOBS .. id, 'status', 'worker', 'version')
  if is_newer(fields[3]) then
    counts.newer = counts.newer + 1
  elseif fields[1] == 'running' then
    local reason = 'worker ' .. (fields[2] or 'unknown') .. ' stopped renewing its lease'
    local outcome = take_back(id, now, reason, rules)
    counts[outcome] = counts[outcome] + 1
  else
    redis.call('ZREM', RUNNING, id)
  end
end
-- A worker that left may have taken a wake-up with it.
if redis.call('EXISTS', WAKE) == 0 and due_in(now) == 0 then wake() end
return { counts.requeued, counts.dead, counts.newer, #expired == AT_ONCE and 1 or 0 }
