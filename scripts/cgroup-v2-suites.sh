#!/bin/sh
# The native suites on a host that has nothing but cgroup v2 (cgroup-v2-host.sh), as root and as an ordinary user.
#
#   scripts/cgroup-v2-suites.sh selection   what rests on control groups; six to eight minutes where the host is emulated in software
#   scripts/cgroup-v2-suites.sh all         all native suites, which take an hour there
#   scripts/cgroup-v2-suites.sh prepare     only makes the host's disk
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh
. scripts/checks.sh

# An emulated processor is an order of magnitude slower than any real one: starting a program takes tens of milliseconds, so
# figures of time and verdicts near a limit of time mean nothing there; those of memory and of control groups do.
TIME_FACTOR=30

# Left out of the native suite, as root:
# - what shows by its number what a few boxes show too;
NUMBERS="--skip a_thousand_boxes --skip sixty_four_boxes"
# - what the ordinary user runs;
USERS="--skip a_user_with"
# - of what every backend has to pass, that which no control group decides; the ordinary user runs it;
BACKENDS="--skip becomes_ready --skip what_is_missing --skip boxes_do_not_see --skip compile_step --skip large_inputs
    --skip many_tests --skip dropped_box --skip given_up --skip has_done_its_job"
# - what is about names of folders, runtimes and copies of files.
FILES="--skip any_name --skip another_runtime --skip copies::"
NATIVE="$NUMBERS $USERS $BACKENDS $FILES"

# Of the hostile cases, those that a control group stops, kills or measures, one for each way in which it does, and one that this
# kernel once let pass. Left out: what is in languages that the host does not have, what ends by a limit of time, which is so many
# times longer there, and what is stopped by a layer that does not know of control groups.
CASES="
    agent::control-groups agent::output-handed-down
    compile::more-files-than-memory compile::fork-bomb
    files::attributes
    kernel::crowd kernel::quota
    processes::daemon processes::a-chain-of-forks
    resources::memory-at-one-blow resources::memory-by-mmap resources::memory-of-python resources::memory-in-files
    resources::memory-of-many-small-processes resources::memory-shared-by-processes resources::memory-of-the-page-cache
    resources::memory-in-pipes"

# Of these, for the ordinary user those that tell whether what was delegated to it limits, measures and kills as root's does. It runs
# all of what every backend has to pass, which takes as long as root's other cases.
USER_CASES="
    agent::control-groups
    compile::fork-bomb
    processes::daemon
    resources::memory-at-one-blow resources::memory-in-files resources::memory-of-many-small-processes
    resources::memory-of-the-page-cache"

# in_guest FOLDER OPTION... -- COMMAND...: one processor each, since there are two hosts. The limit of time is for what hangs.
in_guest() { (here="$PWD" && cd "$1" && shift && "$here/scripts/cgroup-v2-host.sh" run --cpus 1 --time-limit "$LIMIT" "$@"); }

# program NAME: a suite's program without what only a debugger reads, since the host reads it through an emulated device.
program() {
    compiled="$(sed -n "s|.*\"executable\":\"\([^\"]*/deps/$1-[^\"]*\)\".*|\1|p" target/tests.json)"
    [ -x "$compiled" ] || die "cargo has not compiled the suite $1"
    strip -o "$PROGRAMS/$1" "$compiled"
}

# In one boot, each suite whatever became of the ones before.
as_root() {
    # shellcheck disable=SC2016
    in_guest libs/optimus-sandbox -- env SUITES="$ROOT_SUITES" PROGRAMS="$PROGRAMS" NATIVE="$NATIVE" EVIDENCE="$EVIDENCE" \
        OPTIMUS_HOSTILE_TIME_FACTOR="$TIME_FACTOR" ${CASES:+OPTIMUS_HOSTILE_CASES="$CASES"} sh -uc '
            failed=0
            for suite in $SUITES; do
                case "$suite" in
                    agent) (cd ../../bins/optimus-runner && "$PROGRAMS/agent") ;;
                    native) "$PROGRAMS/native" $NATIVE ;;
                    evidence) "$PROGRAMS/evidence" $EVIDENCE ;;
                    hostile) "$PROGRAMS/hostile" native:: --skip storms:: --test-threads 2 ;;
                esac || failed=1
            done
            exit "$failed"'
}

# What an ordinary user cannot have is allowed by name: private devices. Each command has a group of its own, as systemd-run gives
# it one: where controllers are handed down, groups below cannot be made while another process is in that group.
as_user() {
    # shellcheck disable=SC2016
    in_guest . --user tester -- env GRADED="$GRADED" PROGRAMS="$PROGRAMS" OPTIMUS_HOSTILE_TIME_FACTOR="$TIME_FACTOR" \
        OPTIMUS_HOSTILE_CASES="$USER_CASES" OPTIMUS_HOSTILE_ALLOW_MISSING=private-devices \
        OPTIMUS__NATIVE__ALLOW_MISSING=private-devices OPTIMUS__NATIVE__START_TIMEOUT_MS=120000 sh -uc '
            failed=0
            own="$(sed -n "s/^0:://p" /proc/self/cgroup)"
            slice="${own%/*}"
            scope() {
                mkdir "/sys/fs/cgroup$slice/$1"
                sh -euc '\''echo 0 >"$1/cgroup.procs"; shift; exec "$@"'\'' scope "/sys/fs/cgroup$slice/$@"
            }
            scope graded.scope target/debug/optimus-cli grade $GRADED --backend native --timeout-ms 30000 || failed=1
            scope suite.scope "$PROGRAMS/native" --suite-of-a-user "" "$slice/suite.scope" private-devices || failed=1
            scope hostile.scope "$PROGRAMS/hostile" native:: --skip storms:: --test-threads 2 || failed=1
            exit "$failed"'
}

# The two hosts beside each other: neither keeps both processors busy.
both() {
    as_user >"$PROGRAMS/user.log" 2>&1 &
    user=$!
    code=0
    as_root || code=1
    wait "$user" || code=1
    say "cgroup v2, as an ordinary user"
    cat "$PROGRAMS/user.log"
    [ "$code" = 0 ] || die "failed on cgroup v2"
}

case "${1:-}" in
    prepare | selection | all) WHICH="$1" ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
# cgroup-v2-host.sh says so and fails where it has to run.
if [ "$(uname -m)" != x86_64 ] && [ "${OPTIMUS_REQUIRE_ALL:-}" != 1 ]; then
    left_out "the host with cgroup v2, which is x86-64 as this machine is not"
    exit 0
fi
scripts/cgroup-v2-host.sh build
[ "$WHICH" != prepare ] || exit 0
compile_tests
if [ "$WHICH" = selection ]; then
    ROOT_SUITES="native evidence hostile" LIMIT=2400
    EVIDENCE=native::peak
    sum=examples/sum/submissions
    GRADED="examples/sum $sum/accepted/sum.py $sum/accepted/sum.c $sum/run_time_error/exit_code.c"
else
    ROOT_SUITES="agent native evidence hostile" LIMIT=14400
    USER_CASES="$CASES" NATIVE="" CASES=""
    EVIDENCE="native:: --skip native::sums --skip native::near::every"
    GRADED="examples/sum --all --language python,c"
fi
PROGRAMS="$PWD/target/cgroup-v2"
mkdir -p "$PROGRAMS"
for suite in $ROOT_SUITES; do program "$suite"; done
both
