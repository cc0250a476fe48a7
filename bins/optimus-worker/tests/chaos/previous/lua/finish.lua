#!lua flags=allow-oom
-- Writes the outcome under a valid token; the parts of the result, its length, its gist and the error are empty where there
-- is none. KEYS[10] takes what follows the first part. Answers 1, or 0 where the token is stale or the job ended otherwise.
local id, token, ttl, status, verdict = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local head, rest, bytes, gist, error = ARGV[9], ARGV[10], ARGV[11], ARGV[12], ARGV[13]
local job, now = JOBS .. id, now_ms()
if not holds(id, token) then
  -- The caller asks again because it did not hear the first answer. It may have to wait for replicas, and Redis lets it wait
  -- for its own writes only: so something is written.
  if redis.call('HGET', job, 'ended_by') ~= token then return 0 end
  redis.call('HSET', job, 'ended_by', token)
  return 1
end
local detail = { ended_by = token }
if head ~= '' then
  detail.result, detail.result_bytes, detail.gist = head, bytes, gist
  if rest ~= '' then redis.call('SET', KEYS[10], rest, 'PX', ttl) end
  redis.call('ZADD', RESULTS, now + ttl, id .. ':' .. bytes)
  redis.call('HINCRBY', COUNTERS, 'result_bytes', bytes)
end
if error ~= '' then detail.error = error end
conclude(id, now, ttl, status, verdict, detail)
make_room(now)
return 1
