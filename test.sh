#!/bin/sh
# Runs every check of the project: format, lints, docs, unit tests, and the suites that need real Redis and real
# containers. Installs and builds what they need, as setup.sh does.
#
#   ./test.sh          everything
#   ./test.sh --quick  no containers: format, lints, docs, and the tests of the pure crates
set -eu
cd "$(dirname "$0")"
. scripts/common.sh

QUICK=no
for arg in "$@"; do
    case "$arg" in
        --quick) QUICK=yes ;;
        -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "unknown option $arg (see --help)" ;;
    esac
done

started="$(date +%s)"
elapsed() { note "$(($(date +%s) - started)) s so far"; }

say "What the checks need"
need cc "gcc libc6-dev" "links them"
[ "$QUICK" = yes ] || need redis-server redis-server "the suites start their own"
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

say "Format, lints, licences, documentation"
cargo fmt --all --check
cargo clippy --quiet --locked --workspace --all-targets --all-features -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --workspace --no-deps --all-features
check_tool cargo-deny 0.20.2
check_tool cargo-machete 0.9.2
target/tools/bin/cargo-deny --log-level error check licenses bans sources
target/tools/bin/cargo-machete
for script in setup.sh test.sh scripts/*.sh dockerfiles/*.sh dockerfiles/*/*.sh .ci/run; do sh -n "$script"; done
elapsed

if [ "$QUICK" = yes ]; then
    cargo test --locked -p optimus-common -p optimus-judge --all-features
    exit 0
fi

say "What the suites need: an engine, binaries, images"
./setup.sh --no-start
elapsed

say "All tests"
python3 examples/generate.py
cargo build --quiet --locked --workspace
cargo test --locked --workspace --all-features --no-fail-fast
elapsed

say "Compose: up, grade, down and up without losing a job, scale"
sh scripts/test-compose.sh
elapsed
