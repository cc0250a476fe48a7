#!/bin/sh
# Runs every check of the project: format, lints, docs, unit tests, and the suites that need real Redis, real containers
# and real native boxes, the last also on a virtual machine with cgroup v2. Installs and builds what they need, as setup.sh does.
#
#   ./test.sh              everything; on cgroup v2 what rests on control groups (scripts/cgroup-v2-suites.sh)
#   ./test.sh --cgroup-v2  everything, and on cgroup v2 all native suites, which takes an hour where it is emulated
#   ./test.sh --quick      format, lints, docs, and all suites but those that say in their Cargo.toml that they need boxes or servers
#
# At its end it prints what took how long, and what was left out. With OPTIMUS_REQUIRE_ALL=1 a case that this machine cannot run is a failure. The
# soaks at the end take OPTIMUS_SOAK_SECONDS (60) each, and less, down to 60, where OPTIMUS_TEST_MINUTES would be exceeded.
set -eu
cd "$(dirname "$0")"
. scripts/common.sh
. scripts/timing.sh

QUICK=no CGROUP_V2=selection
for arg in "$@"; do
    case "$arg" in
        --quick) QUICK=yes ;;
        --cgroup-v2) CGROUP_V2=all ;;
        -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "unknown option $arg (see --help)" ;;
    esac
done

trap over EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

say "What the checks need"
need cc "gcc libc6-dev" "links them"
need python3 python3 "runs the suites"
if [ "$QUICK" = no ]; then
    [ -e /usr/include/seccomp.h ] || need seccomp-headers libseccomp-dev "compares the system call filter"
    need redis-server redis-server "the suites start their own"
    need newuidmap uidmap "boxes of an ordinary user"
    # What the examples are written in: native boxes use this machine's.
    need g++ g++ "a language of the suites"
    need javac default-jdk-headless "a language of the suites"
    need node nodejs "a language of the suites"
    # Before anything runs: what is installed later would change the toolchains under the suites.
    if [ "$(uname -m)" = x86_64 ]; then
        need qemu-system-x86_64 qemu-system-x86 "the machine with cgroup v2"
        need debootstrap debootstrap "its system"
        need mke2fs e2fsprogs "its disk"
    fi
    have go || [ -x /usr/local/go/bin/go ] || need go golang-go "a language of the suites"
fi
install_wanted
stop_if_missing
cargo_is_new_enough || die "cargo $RUST_VERSION or newer is missing: see https://rustup.rs"
. scripts/checks.sh
took "what the checks need"

say "Format, lints, documentation"
lints_and_documentation
took "format, lints, documentation"

if [ "$QUICK" = yes ]; then
    say "Other machines, licences, advisories"
    other_machines
    dependencies
    took "other machines, licences, advisories"
    say "Unit tests, and the suites that need neither boxes nor servers"
    compile_tests
    took "compiling tests"
    suites=passed
    scripts/suites.py target/tests.json quick || suites=failed
    took "suites"
    tests --workspace --doc
    with_switches tests --workspace --test replay
    [ "$suites" = passed ] || die "suites have failed; their output is above, after their names"
    exit 0
fi

# Fetching packages and making images keeps one processor busy at most: the tests are compiled beside it.
say "What the suites need: an engine, binaries, images"
meanwhile compile-tests compile_tests
./setup.sh --docker --no-start
python3 examples/generate.py
took "what the suites need: an engine, binaries, images"
together

# Most suites wait most of their time: several run at once, and beside them what only computes.
say "The suites that may run beside each other"
meanwhile compile-weakened compile_weakened
meanwhile other-machines other_machines
meanwhile dependencies dependencies
meanwhile cgroup-v2-guest scripts/cgroup-v2-suites.sh prepare
suites=passed
scripts/suites.py target/tests.json beside || suites=failed
took "suites beside each other"
together
tests --workspace --doc

say "The suites that have the machine to themselves"
scripts/suites.py target/tests.json alone || suites=failed
took "suites that have the machine to themselves"
[ "$suites" = passed ] || die "suites have failed; their output is above, after their names"

say "The seeds of the fuzz targets, and all hostile cases without the layers that stop them"
# The whole workspace is named, so that the dependencies have the features that they have above.
with_switches tests --workspace --test replay
with_switches tests --workspace --test hostile -- weakened

say "Compose: up, grade, down and up without losing a job, scale"
sh scripts/test-compose.sh
took "compose"

say "The native suites on a virtual machine with cgroup v2, as root and as an ordinary user"
scripts/cgroup-v2-suites.sh "$CGROUP_V2"
took "cgroup v2"

OPTIMUS_SOAK_SECONDS="$(soak_seconds)"
export OPTIMUS_SOAK_SECONDS
say "Soaks, $OPTIMUS_SOAK_SECONDS s for each store"
scripts/suites.py target/tests.json optimus-worker chaos soak::
took "soaks"
