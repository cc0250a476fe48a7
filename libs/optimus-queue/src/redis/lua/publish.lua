#!lua
-- Adds to the progress of a job, for who holds it. Without allow-oom: progress is the first to go. KEYS[1] the stream, which is
-- the name of its channel as well, KEYS[2] the job; ARGV the token, the most updates, the milliseconds until the stream expires,
-- how many were told under the token before, how many these are, and these. Answers 1, or 0 where the token is stale.
local log, job, token, most, ttl = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local AT_ONCE = 64
local fields = redis.call('HMGET', job, 'status', 'token', 'told')
if fields[1] ~= 'running' or fields[2] ~= token then return 0 end
local first, last, told = count_told(fields[3], token, tonumber(ARGV[4]), 6, tonumber(ARGV[5]))
if first > #ARGV then return 1 end
for i = first, #ARGV, AT_ONCE do
  local stop = math.min(i + AT_ONCE - 1, #ARGV)
  local number = last - (#ARGV - stop)
  redis.call('XADD', log, 'MINID', string.format('%.0f-0', math.max(0, number - most)), string.format('%.0f-0', number), 'json',
    list_of(i, stop))
end
redis.call('HSET', job, 'told', told)
redis.call('PEXPIRE', log, ttl)
redis.call('PUBLISH', log, '')
return 1
