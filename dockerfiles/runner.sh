#!/bin/sh
# The entry point of every language's image. It knows no language: what to execute comes with the job.
#
# One box serves one job, in three phases. The agent beside this script does what a shell cannot: frames, limits,
# clocks, killing, changing users. A phase that fails for our own reasons has told the worker why, and ends the box.
set -eu
umask 022
agent=${0%/*}/optimus-runner

# Tell the worker that the box is ready; take in the files.
"$agent" receive

# Compile, once for all tests, and seal what is there. Exit code 10: the worker ends it here, as for a program that does not compile.
"$agent" compile || {
    status=$?
    [ "$status" -eq 10 ] && exit 0
    exit "$status"
}

# Run every test case. The agent becomes the first process of the box, to which all orphans come.
exec "$agent" test
