#!lua flags=allow-oom
-- Asked before blocking on the wake list. Answers as due_in.
local due = due_in(now_ms())
-- Tokens of jobs that are gone would wake for nothing.
if due ~= 0 then redis.call('DEL', WAKE) end
return due
