-- What the scripts share; put after the first line of each. KEYS[1..8] are the places of one language and the counters,
-- in the order of keys.rs; ARGV[1..3] are the language, the prefix of job keys and the channel of events.
-- RECORD_VERSION is the version of the records that are written here.
local LISTS = { interactive = KEYS[1], normal = KEYS[2], batch = KEYS[3] }
local DELAYED, RUNNING, DEAD, WAKE, COUNTERS = KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local LANGUAGE, JOBS, EVENTS = ARGV[1], ARGV[2], ARGV[3]
local MOST_WAKES = 128

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whether a record of this version is of a release that knows more than this one: then nothing of it is touched. Without a
-- version it is of the first.
local function is_newer(version)
  if not version then return false end
  local number = tonumber(version)
  return not number or number > RECORD_VERSION
end

-- Lets one waiting worker look again. Bounded, because busy workers never take these tokens.
local function wake()
  if redis.call('LPUSH', WAKE, '1') > MOST_WAKES then redis.call('RPOP', WAKE) end
end

-- Milliseconds until a job of this language can be claimed: 0 for now, -1 where none waits.
local function due_in(now)
  for _, list in pairs(LISTS) do
    if redis.call('EXISTS', list) == 1 then return 0 end
  end
  local first = redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')
  if not first[2] then return -1 end
  return math.max(0, tonumber(first[2]) - now)
end

-- The progress of a job stands beside its record, see keys.rs: a stream, and what came with the job's end.
local function progress_of(id)
  return string.sub(JOBS, 1, -5) .. 'progress:' .. id
end

local function last_progress_of(id)
  return progress_of(id) .. ':last'
end

-- How long, in milliseconds, the progress of a job that is over can be read: those who follow it have a last look.
local function progress_kept(ttl)
  return math.min(ttl, 30000)
end

-- The one way into a terminal state. `detail` lists further fields and their values; `known` are the fields `bytes` and `told`, where
-- they are known. The submission goes at once: only the record stays until it expires.
local function conclude(id, now, ttl, status, verdict, detail, known)
  local job = JOBS .. id
  local fields = known or redis.call('HMGET', job, 'bytes', 'told')
  redis.call('ZREM', RUNNING, id)
  redis.call('HDEL', job, 'submission', 'bytes', 'worker', 'cancel')
  redis.call('HSET', job, 'status', status, 'finished', now, unpack(detail))
  redis.call('PEXPIRE', job, ttl)
  if fields[2] then redis.call('PEXPIRE', progress_of(id), progress_kept(ttl)) end
  redis.call('HINCRBY', COUNTERS, 'finished:' .. LANGUAGE .. ':' .. verdict, 1)
  redis.call('HINCRBY', COUNTERS, 'stored_bytes', -(fields[1] or 0))
  redis.call('PUBLISH', EVENTS, 'finished:' .. id)
end

-- A running job comes back ungraded, for `reason`: cancelled where that was asked, else to the queue after a backoff,
-- or dead where it has no attempts left. `rules` are {ttl, max_attempts, backoff, max_dead}.
local function take_back(id, now, reason, rules)
  local job = JOBS .. id
  local fields = redis.call('HMGET', job, 'attempts', 'cancel')
  local attempts = tonumber(fields[1])
  if fields[2] then
    conclude(id, now, rules.ttl, 'cancelled', 'cancelled', {})
    return 'cancelled'
  end
  if attempts >= rules.max_attempts then
    local error = reason .. '; given up after ' .. attempts .. (attempts == 1 and ' attempt' or ' attempts')
    conclude(id, now, rules.ttl, 'failed', 'internal_error', { 'error', error })
    local length = redis.call('RPUSH', DEAD, id)
    if length > rules.max_dead then redis.call('LPOP', DEAD, length - rules.max_dead) end
    return 'dead'
  end
  redis.call('ZREM', RUNNING, id)
  redis.call('HDEL', job, 'worker')
  redis.call('HSET', job, 'status', 'queued')
  redis.call('ZADD', DELAYED, now + rules.backoff * 2 ^ math.min(attempts - 1, 16), id)
  redis.call('HINCRBY', COUNTERS, 'requeued:' .. LANGUAGE, 1)
  -- A waiter that blocks without a time to wake at would miss the end of the backoff.
  wake()
  return 'requeued'
end

local function rules_from(first)
  return {
    ttl = ARGV[first],
    max_attempts = tonumber(ARGV[first + 1]),
    backoff = tonumber(ARGV[first + 2]),
    max_dead = tonumber(ARGV[first + 3]),
  }
end

-- Whether this token is the one of the job's present lease.
local function holds(id, token)
  local fields = redis.call('HMGET', JOBS .. id, 'status', 'token')
  return fields[1] == 'running' and fields[2] == token
end
