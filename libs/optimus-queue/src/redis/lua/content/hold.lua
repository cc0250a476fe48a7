#!lua
-- Uses content, and holds it for a job: ARGV the job, then the digests one after the other. Answers their sizes, or -1 for what
-- is not there.
local job, digests = ARGV[2], ARGV[3]
local now = now_ms()
local is_new = redis.call('HEXISTS', HELD, job) == 0
if is_new then
  redis.call('HSET', HELD, job, digests)
  redis.call('ZADD', HOLDS, now, job)
  for from = 1, #digests, DIGITS do
    redis.call('HINCRBY', HELD_BY, string.sub(digests, from, from + DIGITS - 1), 1)
  end
end
return renew_all(digests, now)
