#!lua
-- Adds to the progress of a job, unless that is over: what comes too late would stay when nothing else of the job does.
-- Without allow-oom: progress is the first to go. KEYS[1] the stream, which is the name of its channel as well, KEYS[2] the
-- job; ARGV the most entries, the milliseconds until it expires, and the entries. The first number is 2.
local log, most, ttl = KEYS[1], ARGV[1], ARGV[2]
local status = redis.call('HGET', KEYS[2], 'status')
if status ~= 'queued' and status ~= 'running' then return 0 end
local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local number = newest and tonumber(string.match(newest[1], '^%d+')) or 1
for i = 3, #ARGV do
  number = number + 1
  redis.call('XADD', log, 'MAXLEN', most, string.format('%.0f-0', number), 'json', ARGV[i])
end
redis.call('PEXPIRE', log, ttl)
redis.call('PUBLISH', log, '')
return number
