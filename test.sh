#!/bin/sh
# Runs every check of the project: format, lints, docs, unit tests, and the suites that need real Redis, real containers
# and real native boxes. Installs and builds what they need, as setup.sh does.
#
#   ./test.sh              everything
#   ./test.sh --cgroup-v2  and the native suites on a virtual machine with cgroup v2, as root and as an ordinary user
#   ./test.sh --quick      no boxes: format, lints, docs, and all tests that need none, nor Redis
#
# At its end it prints what took how long. With OPTIMUS_REQUIRE_ALL=1 a case that this machine cannot run is a failure.
set -eu
cd "$(dirname "$0")"
. scripts/common.sh
. scripts/timing.sh

QUICK=no CGROUP_V2=no
for arg in "$@"; do
    case "$arg" in
        --quick) QUICK=yes ;;
        --cgroup-v2) CGROUP_V2=yes ;;
        -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "unknown option $arg (see --help)" ;;
    esac
done

trap table EXIT

say "What the checks need"
need cc "gcc libc6-dev" "links them"
if [ "$QUICK" = no ]; then
    [ -e /usr/include/seccomp.h ] || need seccomp-headers libseccomp-dev "compares the system call filter"
    need redis-server redis-server "the suites start their own"
    need newuidmap uidmap "boxes of an ordinary user"
    # What the examples are written in: native boxes use this machine's.
    need g++ g++ "a language of the suites"
    need javac default-jdk-headless "a language of the suites"
    need node nodejs "a language of the suites"
    have go || [ -x /usr/local/go/bin/go ] || need go golang-go "a language of the suites"
fi
install_wanted
stop_if_missing
cargo_is_new_enough || die "cargo $RUST_VERSION or newer is missing: see https://rustup.rs"

# check_tool NAME VERSION: a cargo tool of the checks, kept inside target/.
check_tool() {
    case "$("target/tools/bin/$1" --version 2>/dev/null)" in
        *"$2"*) ;;
        *) note "building $1 $2 (once)"; cargo install --quiet --locked --root target/tools "$1@$2" ;;
    esac
}

# The switches of builds for tests alone; what is compiled with them stands beside what ships, on the same dependencies.
SWITCHES="$(sed -n 's/^exec "$@" //p' scripts/rustc-with-switches.sh)"
[ -n "$SWITCHES" ] || die "scripts/rustc-with-switches.sh names no switches"
with_switches() { (export RUSTC_WORKSPACE_WRAPPER="$PWD/scripts/rustc-with-switches.sh" && "$@"); }

say "Format, lints, licences, documentation"
cargo fmt --all --check
cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
# Once more with what only tests have; the documentation is that of everything.
# shellcheck disable=SC2086
cargo clippy --quiet --locked --workspace --all-targets -- -D warnings $SWITCHES
RUSTDOCFLAGS="-D warnings $SWITCHES" with_switches cargo doc --quiet --locked --workspace --no-deps
# Other machines, as far as their standard library is here or can be had; nothing is linked, so C compilers are not called.
for target in aarch64-unknown-linux-gnu x86_64-pc-windows-gnu aarch64-apple-darwin; do
    [ -d "$(rustc --print target-libdir --target "$target")" ] || rustup --quiet target add "$target" >/dev/null 2>&1 || {
        note "left out: cargo check for $target, whose standard library is not here (rustup target add $target)"
        continue
    }
    # shellcheck disable=SC2046
    env $(printf '%s_%s=true ' CC "$(echo "$target" | tr - _)" AR "$(echo "$target" | tr - _)") \
        cargo check --quiet --locked --workspace --target "$target"
done
took "other machines: cargo check"
check_tool cargo-deny 0.20.2
check_tool cargo-machete 0.9.2
target/tools/bin/cargo-deny --log-level error check licenses bans sources
target/tools/bin/cargo-machete
# What tests share is in no program: beside dev-dependencies, only the fuzz targets have it, which are tests themselves.
users="$(cargo tree --locked --workspace --edges normal,build --invert optimus-testkit --prefix none |
    sed 's/ .*//; /^optimus-testkit$/d; /^optimus-fuzz$/d' | sort -u)"
[ -z "$users" ] || die "optimus-testkit is for dev-dependencies alone, and these have it:" $users
# A workspace of its own, which is built only where something is fuzzed.
(cd fuzz && cargo metadata --quiet --locked --format-version 1 >/dev/null) || die "fuzz/Cargo.lock is not in step with the crates"
for script in setup.sh test.sh scripts/*.sh scripts/*/*.sh dockerfiles/*.sh dockerfiles/*/*.sh .ci/run; do sh -n "$script"; done
took "format, lints, licences, documentation"

if [ "$QUICK" = yes ]; then
    say "All tests that need no boxes"
    tests --workspace --lib --bins --no-fail-fast
    tests -p optimus-common -p optimus-protocol -p optimus-judge -p optimus-queue -p optimus-sandbox -p optimus-cli -p optimus-api \
        --no-fail-fast \
        --test submission --test grading --test sqlite --test memory --test languages --test submit --test scripts --test openapi
    with_switches tests --workspace --test replay
    exit 0
fi

say "What the suites need: an engine, binaries, images"
./setup.sh --docker --no-start
took "what the suites need: an engine, binaries, images"

say "All tests"
python3 examples/generate.py
cargo build --quiet --locked --workspace
took "examples, and the binaries as they ship"
# As it ships: what takes layers of defence away is not in it.
tests --workspace --no-fail-fast
say "The seeds of the fuzz targets, and all hostile cases without the layers that stop them"
# The whole workspace is named, so that the dependencies have the features that they have above.
with_switches tests --workspace --test replay
with_switches tests --workspace --test hostile -- weakened

if [ "$CGROUP_V2" = yes ]; then
    say "The native suites on a virtual machine with cgroup v2, as root and as an ordinary user"
    # test_binary PACKAGE TEST: where cargo has put it.
    test_binary() {
        cargo test --quiet --locked --no-run -p "$1" --test "$2" --message-format=json |
            sed -n "s|.*\"executable\":\"\([^\"]*/deps/$2-[^\"]*\)\".*|\1|p"
    }
    agent="$(test_binary optimus-runner agent)"
    native="$(test_binary optimus-sandbox native)"
    evidence="$(test_binary optimus-sandbox evidence)"
    hostile="$(test_binary optimus-sandbox hostile)"
    scripts/cgroup-v2-host.sh build
    here="$PWD"
    # However busy this machine is: a suite that hangs says so itself.
    in_guest() { (cd "$1" && shift && "$here/scripts/cgroup-v2-host.sh" run --time-limit 7200 "$@"); }
    in_guest bins/optimus-runner -- "$agent"
    in_guest libs/optimus-sandbox -- "$native"
    # What an ordinary user cannot have is allowed by name. The suites have limits for emulated machines of their own.
    in_guest . --user tester -- env OPTIMUS__NATIVE__ALLOW_MISSING=private-devices \
        OPTIMUS__NATIVE__START_TIMEOUT_MS=120000 target/debug/optimus-cli \
        grade examples/sum --all --language python,c --backend native --timeout-ms 30000
    # An emulated processor is an order of magnitude slower than any real one: starting a program takes tens of
    # milliseconds, so figures of time and verdicts near a limit of time mean nothing there; those of memory do.
    in_guest libs/optimus-sandbox -- "$evidence" native:: --skip native::sums --skip native::near::every
    in_guest libs/optimus-sandbox -- \
        env OPTIMUS_HOSTILE_TIME_FACTOR=30 "$hostile" native:: --test-threads 2
    took "the native suites on cgroup v2"
fi

say "Compose: up, grade, down and up without losing a job, scale"
sh scripts/test-compose.sh
took "compose"
