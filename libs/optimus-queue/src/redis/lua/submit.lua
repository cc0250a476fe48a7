#!lua
-- Stores a job with its queue entry. Without allow-oom: refused at its start when memory is full. From ARGV[13] on come
-- further fields of the record and their values.
-- KEYS[9] the job, KEYS[10] the idempotency key where there is one. Answers 'created', 'full', 'reused', or the id of
-- the job that this key and body made before.
local id, priority, tests, submission, metadata = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local max_waiting, max_bytes, ttl, body = tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11], ARGV[12]
local job, idempotency = KEYS[9], KEYS[10]

-- Where nothing is new, something is written all the same: the caller may have to wait for replicas, and Redis lets it
-- wait for its own writes only.

-- The caller asks again because it did not hear the first answer.
if redis.call('EXISTS', job) == 1 then
  redis.call('HSET', job, 'language', LANGUAGE)
  return 'created'
end

if idempotency then
  local known = redis.call('GET', idempotency)
  if known then
    local first, digest = string.match(known, '^(%S+) (%S+)$')
    if digest ~= body then return 'reused' end
    redis.call('SET', idempotency, known, 'KEEPTTL')
    return first
  end
end

local depth = redis.call('ZCARD', DELAYED)
for _, list in pairs(LISTS) do depth = depth + redis.call('LLEN', list) end
if depth >= max_waiting then return 'full' end
if redis.call('HINCRBY', COUNTERS, 'stored_bytes', #submission) > max_bytes then
  redis.call('HINCRBY', COUNTERS, 'stored_bytes', -#submission)
  return 'full'
end

redis.call('HSET', job, 'status', 'queued', 'language', LANGUAGE, 'priority', priority, 'attempts', 0, 'token', 0,
  'created', now_ms(), 'tests', tests, 'bytes', #submission, 'submission', submission, 'version', RECORD_VERSION,
  unpack(ARGV, 13))
if metadata ~= '' then redis.call('HSET', job, 'metadata', metadata) end
if idempotency then redis.call('SET', idempotency, id .. ' ' .. body, 'PX', ttl) end
redis.call('RPUSH', LISTS[priority], id)
redis.call('HINCRBY', COUNTERS, 'submitted:' .. LANGUAGE, 1)
-- With more than this waiting, no worker is.
if depth < MOST_WAKES then wake() end
return 'created'
