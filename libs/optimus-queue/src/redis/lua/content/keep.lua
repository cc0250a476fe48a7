#!lua flags=allow-oom
-- Shows what came under its digest: ARGV its id, the digest, how many bytes it has. Answers 1; 0: it was there already;
-- -1: what came is gone.
local id, digest, size = ARGV[2], ARGV[3], tonumber(ARGV[4])
local now = now_ms()
if renew(digest, now) >= 0 then
  drop(id)
  return 0
end
if size == 0 then
  redis.call('SET', data(digest), '')
  count(BESIDE)
else
  if redis.call('STRLEN', incoming(id)) ~= size then return -1 end
  redis.call('RENAME', incoming(id), data(digest))
  redis.call('PERSIST', data(digest))
  redis.call('ZREM', ARRIVING, id)
  redis.call('HDEL', ARRIVED, id)
end
redis.call('HSET', SIZES, digest, size)
redis.call('HSET', VERSIONS, digest, id)
redis.call('ZADD', USED, now, digest)
return 1
