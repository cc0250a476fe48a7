#!lua
-- Uses content, and holds it where ARGV names a job: ARGV the job or nothing, then the digests one after the other. Answers
-- their sizes, or -1 for what is not there.
local job, digests = ARGV[2], ARGV[3]
local now = now_ms()
local is_new = job ~= '' and redis.call('HEXISTS', HELD, job) == 0
if is_new then
  redis.call('HSET', HELD, job, digests)
  redis.call('ZADD', HOLDS, now, job)
end
local sizes = {}
for from = 1, #digests, DIGITS do
  local digest = string.sub(digests, from, from + DIGITS - 1)
  if is_new then redis.call('HINCRBY', HELD_BY, digest, 1) end
  sizes[#sizes + 1] = renew(digest, now)
end
return sizes
