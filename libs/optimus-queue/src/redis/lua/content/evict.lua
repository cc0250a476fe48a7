#!lua flags=allow-oom
-- Removes what may go: ARGV the most of all content, the rules of removal, how many to look at. Answers how many it looked
-- at, how many it removed, and the bytes of what is left.
for _, old in ipairs(redis.call('ZRANGEBYSCORE', ARRIVING, '-inf', now_ms())) do drop(old) end
local looked, removed = evict(tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
return {looked, removed, total()}
