#!lua flags=allow-oom
-- Gives up what was on its way: ARGV its id.
drop(ARGV[2])
return 1
