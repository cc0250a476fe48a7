#!lua flags=allow-oom
-- The ids of the workers that are alive, and what each says of itself; the others are forgotten. KEYS[1] the workers, ARGV[1] the
-- milliseconds of silence after which one is gone.
local time, alive = redis.call('TIME'), {}
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local entries = redis.call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  local seen, info = string.match(entries[i + 1], '^(%d+) (.*)$')
  if seen and now - seen <= tonumber(ARGV[1]) then
    alive[#alive + 1] = { entries[i], info }
  else
    redis.call('HDEL', KEYS[1], entries[i])
  end
end
return alive
