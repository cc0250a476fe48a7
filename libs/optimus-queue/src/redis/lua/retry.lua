#!lua flags=allow-oom
-- Gives a job back after a failure of ours. Answers 'requeued', 'dead', 'cancelled' or 'refused'.
local id, token, reason = ARGV[4], ARGV[5], ARGV[6]
if not holds(id, token) then return 'refused' end
return take_back(id, now_ms(), reason, rules_from(7))
