#!lua
-- Takes the next bytes of what comes: ARGV its id, how many bytes came before, the bytes, the most of all content, how long
-- they are kept when no more come, and the rules of removal. Answers 1; 0: no room; -1: what came before is gone.
local id, before, chunk = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local most, kept_ms, min_kept, retention = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local LOOKS = 1000
local now = now_ms()

for _, old in ipairs(redis.call('ZRANGEBYSCORE', ARRIVING, '-inf', now, 'LIMIT', 0, LOOKS)) do drop(old) end

local length = redis.call('STRLEN', incoming(id))
-- The caller asks again because it did not hear the answer.
if length == before + #chunk then return 1 end
if length ~= before then return -1 end
local more = #chunk
if before == 0 then more = more + BESIDE end
if total() + more > most then evict(math.floor(most * 0.9) - more, min_kept, retention, LOOKS) end
if total() + more > most then return 0 end
redis.call('APPEND', incoming(id), chunk)
redis.call('PEXPIRE', incoming(id), 2 * kept_ms)
redis.call('ZADD', ARRIVING, now + kept_ms, id)
redis.call('HINCRBY', ARRIVED, id, more)
count(more)
return 1
