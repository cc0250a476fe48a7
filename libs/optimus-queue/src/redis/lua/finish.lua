#!lua flags=allow-oom
-- Writes the outcome under a valid token; result and error are empty where there is none. Answers 1, or 0 where the
-- token is stale or the job finished.
local id, token, ttl, status, verdict, result, error = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
if not holds(id, token) then return 0 end
local detail = {}
if result ~= '' then detail.result = result end
if error ~= '' then detail.error = error end
conclude(id, now_ms(), ttl, status, verdict, detail)
return 1
