#!lua flags=allow-oom
-- Leases the next due job. Answers {id, token, attempt, created, submission, owner, traceparent, tracestate, group}; {} where none
-- is due; {id, version} where all that is due are jobs of newer releases, of which this is one; or where it has not looked at all
-- yet {'again', delayed, interactive, normal, batch, id, version}: how many jobs of newer releases it passed over in each place,
-- which the next call is to begin after, and the first of them.
local worker, lease, head_start, ttl = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local delayed = tonumber(ARGV[8])
local passed = { tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]) }
local newer, newer_version = ARGV[12], ARGV[13]
local AT_ONCE, MOST_LOOKS = 64, 512
local PLACES = { interactive = 1, normal = 2, batch = 3 }
local now, looks = now_ms(), 0

local function again()
  return { 'again', delayed, passed[1], passed[2], passed[3], newer, newer_version }
end

-- Ends of backoffs: back to the head, the earliest foremost. Whoever reads newer records finds them where they were.
repeat
  if looks >= MOST_LOOKS then return again() end
  local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', now, 'LIMIT', delayed, AT_ONCE)
  local own, is_first = 0, newer == ''
  for i = #due, 1, -1 do
    local fields = redis.call('HMGET', JOBS .. due[i], 'status', 'priority', 'version')
    if is_newer(fields[3]) then
      if is_first then newer, newer_version = due[i], fields[3] end
    else
      own = own + 1
      redis.call('ZREM', DELAYED, due[i])
      if fields[1] == 'queued' then
        redis.call('LPUSH', LISTS[fields[2]], due[i])
        passed[PLACES[fields[2]]] = 0
      end
    end
  end
  delayed = delayed + #due - own
  looks = looks + #due
until own > 0 or #due < AT_ONCE

-- The list whose head was submitted first, normal and batch jobs counting as submitted later by the head starts they
-- give. Only the heads are looked at, so depth costs nothing: a head is what follows those that are passed over.
local function next_head()
  local heads, waiting, only = {}, 0, nil
  for i = 1, 3 do
    local id = redis.call('LINDEX', KEYS[i], passed[i])
    if id then
      heads[i], waiting, only = id, waiting + 1, i
    end
  end
  if waiting <= 1 then return only, heads[only] end
  local handicap, best, earliest = { 0, head_start, 11 * head_start }, nil, nil
  for i = 1, 3 do
    if heads[i] then
      local at = tonumber(redis.call('HGET', JOBS .. heads[i], 'created') or 0) + handicap[i]
      if not earliest or at < earliest then best, earliest = i, at end
    end
  end
  return best, heads[best]
end

for _ = 1, AT_ONCE do
  local place, id = next_head()
  if not place then
    if newer ~= '' then return { newer, newer_version } end
    return {}
  end
  local job = JOBS .. id
  local fields = redis.call('HMGET', job, 'status', 'token', 'attempts', 'created', 'submission', 'version', 'owner',
    'traceparent', 'tracestate', 'group')
  if is_newer(fields[6]) then
    passed[place] = passed[place] + 1
    if newer == '' then newer, newer_version = id, fields[6] end
  else
    redis.call('LREM', KEYS[place], 1, id)
    if fields[1] == 'queued' and fields[5] then
      local token, attempt = fields[2] + 1, fields[3] + 1
      redis.call('HSET', job, 'status', 'running', 'token', token, 'attempts', attempt, 'started', now, 'worker', worker)
      redis.call('ZADD', RUNNING, now + lease, id)
      return { id, token, attempt, tonumber(fields[4]), fields[5], fields[7] or '', fields[8] or '', fields[9] or '',
        fields[10] or '' }
    elseif fields[1] == 'queued' then
      conclude(id, now, ttl, 'failed', 'internal_error', { 'error', 'its submission is missing from the store' })
    end
  end
end
return again()
