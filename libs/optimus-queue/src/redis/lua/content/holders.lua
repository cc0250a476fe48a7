#!lua flags=allow-oom
-- Jobs that hold content for longer than that: ARGV the time, how many to pass over, how many to name.
return redis.call('ZRANGEBYSCORE', HOLDS, '-inf', now_ms() - tonumber(ARGV[2]), 'LIMIT', ARGV[3], ARGV[4])
