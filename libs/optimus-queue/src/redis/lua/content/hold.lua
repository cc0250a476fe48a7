#!lua
-- Uses content, and holds it for a job: ARGV the job, the most that all held content may count for, then the digests one after
-- the other. Answers their sizes, or -1 for what is not there; or only -2, where jobs would hold more than that.
local job, most, digests = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local now = now_ms()
local sizes = renew_all(digests, now)
if redis.call('HEXISTS', HELD, job) == 1 then return sizes end

local new, more = {}, 0
for i, size in ipairs(sizes) do
  local digest = string.sub(digests, (i - 1) * DIGITS + 1, i * DIGITS)
  if size >= 0 and not new[digest] and redis.call('HEXISTS', HELD_SIZES, digest) == 0 then
    new[digest] = size + BESIDE
    more = more + size + BESIDE
  end
end
if more > 0 and tonumber(redis.call('HGET', TOTALS, 'held') or 0) + more > most then return { -2 } end

redis.call('HSET', HELD, job, digests)
redis.call('ZADD', HOLDS, now, job)
redis.call('HINCRBY', TOTALS, 'held', more)
for digest, counted in pairs(new) do redis.call('HSET', HELD_SIZES, digest, counted) end
for from = 1, #digests, DIGITS do
  redis.call('HINCRBY', HELD_BY, string.sub(digests, from, from + DIGITS - 1), 1)
end
return sizes
