#!lua flags=allow-oom
-- Finds content without using it: ARGV its digest. Answers its size, or -1, and which version it is.
local digest = ARGV[2]
return {tonumber(redis.call('HGET', SIZES, digest) or -1), redis.call('HGET', VERSIONS, digest) or ''}
