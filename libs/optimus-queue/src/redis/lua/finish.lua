#!lua flags=allow-oom
-- Writes the outcome under a valid token; the parts of the result, its length, its gist and the error are empty where there
-- is none. KEYS[10] takes what follows the first part. ARGV[14] is how many updates of the job's progress were told under the
-- token before, ARGV[15] how many are told now, and then come those. Answers 1, or 0 where the token is stale or the job ended
-- otherwise.
local id, token, ttl, status, verdict = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local head, rest, bytes, gist, error = ARGV[9], ARGV[10], ARGV[11], ARGV[12], ARGV[13]
local from, count = tonumber(ARGV[14]), tonumber(ARGV[15])
local job, now = JOBS .. id, now_ms()
local SMALL = 1024
local fields = redis.call('HMGET', job, 'status', 'token', 'told', 'bytes')
if fields[1] ~= 'running' or fields[2] ~= token then
  -- The caller asks again because it did not hear the first answer. It may have to wait for replicas, and Redis lets it wait
  -- for its own writes only: so something is written.
  if redis.call('HGET', job, 'ended_by') ~= token then return 0 end
  redis.call('HSET', job, 'ended_by', token)
  return 1
end
local detail, all_bytes = { 'ended_by', token }, 0
local function set(field, value)
  detail[#detail + 1] = field
  detail[#detail + 1] = value
end
if head ~= '' then
  set('result', head)
  set('result_bytes', bytes)
  set('gist', gist)
  if rest ~= '' then redis.call('SET', KEYS[10], rest, 'PX', ttl) end
  redis.call('ZADD', RESULTS, now + ttl, id .. ':' .. bytes)
  all_bytes = redis.call('HINCRBY', COUNTERS, 'result_bytes', bytes)
end
if error ~= '' then set('error', error) end
if count > 0 then
  local first, _, told = count_told(fields[3], token, from, 16, count)
  local last = 15 + count
  set('told', told)
  local list = list_of(first, last)
  -- A key of its own, which goes soon, costs more than to let what is small stay with the record.
  if #list <= SMALL then
    set('last', list)
  else
    redis.call('SET', last_progress_of(id), list, 'PX', progress_kept(ttl))
  end
end
conclude(id, now, ttl, status, verdict, detail, { fields[4], fields[3] })
-- What has expired, upkeep counts off.
if all_bytes > MOST_BYTES then make_room(now) end
return 1
