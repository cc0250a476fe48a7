#!lua flags=allow-oom
-- Removes content that was read, and nothing that was put in its place: ARGV its digest, and which version it was.
local digest, version = ARGV[2], ARGV[3]
if (redis.call('HGET', VERSIONS, digest) or '') ~= version then return 0 end
remove(digest)
return 1
