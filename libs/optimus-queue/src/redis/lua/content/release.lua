#!lua flags=allow-oom
-- Ends the hold of a job: ARGV the job.
local digests = redis.call('HGET', HELD, ARGV[2]) or ''
for from = 1, #digests, DIGITS do
  local digest = string.sub(digests, from, from + DIGITS - 1)
  if redis.call('HINCRBY', HELD_BY, digest, -1) <= 0 then
    redis.call('HDEL', HELD_BY, digest)
    redis.call('HINCRBY', TOTALS, 'held', -tonumber(redis.call('HGET', HELD_SIZES, digest) or 0))
    redis.call('HDEL', HELD_SIZES, digest)
  end
end
redis.call('HDEL', HELD, ARGV[2])
redis.call('ZREM', HOLDS, ARGV[2])
return 1
