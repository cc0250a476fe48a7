#!lua flags=allow-oom
-- Extends a lease to its full length from now. Answers 'held', 'cancel' or 'lost'.
local id, token, lease = ARGV[4], ARGV[5], tonumber(ARGV[6])
if not holds(id, token) then return 'lost' end
redis.call('ZADD', RUNNING, now_ms() + lease, id)
return redis.call('HEXISTS', JOBS .. id, 'cancel') == 1 and 'cancel' or 'held'
