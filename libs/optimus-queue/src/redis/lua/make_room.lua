#!lua flags=allow-oom
-- Counts off results that have expired, and keeps all together within their bound. Answers 1 where there is more to do.
return make_room(now_ms())
