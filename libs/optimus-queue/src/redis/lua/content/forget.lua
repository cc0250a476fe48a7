#!lua flags=allow-oom
-- Removes content: ARGV its digest.
remove(ARGV[2])
return 1
