#!lua flags=allow-oom
-- Leases the next due job. Answers {id, token, attempt, created, submission, owner, traceparent, tracestate, group}, {}
-- where none is due, {'again'} where it only cleared away stale entries so far, or {id, version} where all that is due are
-- jobs of newer releases, of which this is one.
local worker, lease, head_start, ttl = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local AT_ONCE = 64
local now = now_ms()

-- Jobs of newer releases that were passed over: the first one, and those to be put back, with their lists.
local newer, passed_over = nil, {}

-- Ends of backoffs: back to the head, the earliest foremost.
local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', now, 'LIMIT', 0, AT_ONCE)
for i = #due, 1, -1 do
  local fields = redis.call('HMGET', JOBS .. due[i], 'status', 'priority', 'version')
  if is_newer(fields[3]) then
    newer = { due[i], fields[3] }
  else
    redis.call('ZREM', DELAYED, due[i])
    if fields[1] == 'queued' then redis.call('LPUSH', LISTS[fields[2]], due[i]) end
  end
end

-- The list whose head was submitted first, normal and batch jobs counting as submitted later by the head starts they
-- give. Only the heads are looked at, so depth costs nothing.
local function next_list()
  local heads, waiting, only = {}, 0, nil
  for i = 1, 3 do
    local id = redis.call('LINDEX', KEYS[i], 0)
    if id then
      heads[i], waiting, only = id, waiting + 1, KEYS[i]
    end
  end
  if waiting <= 1 then return only end
  local handicap, best, earliest = { 0, head_start, 11 * head_start }, nil, nil
  for i = 1, 3 do
    if heads[i] then
      local at = tonumber(redis.call('HGET', JOBS .. heads[i], 'created') or 0) + handicap[i]
      if not earliest or at < earliest then best, earliest = KEYS[i], at end
    end
  end
  return best
end

-- Whoever reads newer records finds them where they were.
local function answer(...)
  for i = #passed_over, 1, -1 do redis.call('LPUSH', passed_over[i][1], passed_over[i][2]) end
  return { ... }
end

for _ = 1, AT_ONCE do
  local list = next_list()
  if not list then
    if newer then return answer(unpack(newer)) end
    return answer()
  end
  local id = redis.call('LPOP', list)
  local job = JOBS .. id
  local fields = redis.call('HMGET', job, 'status', 'token', 'attempts', 'created', 'submission', 'version', 'owner',
    'traceparent', 'tracestate', 'group')
  if is_newer(fields[6]) then
    newer = newer or { id, fields[6] }
    passed_over[#passed_over + 1] = { list, id }
  elseif fields[1] == 'queued' and fields[5] then
    local token, attempt = fields[2] + 1, fields[3] + 1
    redis.call('HSET', job, 'status', 'running', 'token', token, 'attempts', attempt, 'started', now, 'worker', worker)
    redis.call('ZADD', RUNNING, now + lease, id)
    return answer(id, token, attempt, tonumber(fields[4]), fields[5], fields[7] or '', fields[8] or '', fields[9] or '',
      fields[10] or '')
  elseif fields[1] == 'queued' then
    conclude(id, now, ttl, 'failed', 'internal_error', { 'error', 'its submission is missing from the store' })
  end
end
if #passed_over == AT_ONCE then return answer(unpack(newer)) end
return answer('again')
