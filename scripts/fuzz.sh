#!/bin/sh
# Searches for inputs that break what parses the words of outsiders: see docs/fuzzing.md. Needs no nightly compiler.
#
#   scripts/fuzz.sh                    lists the targets
#   scripts/fuzz.sh TARGET [SECONDS]   runs one of them, 600 seconds by default
#   scripts/fuzz.sh all [SECONDS]      runs each of them, one after the other
#   scripts/fuzz.sh TARGET FILE...     gives a target these inputs, such as one that broke it
#
# What a target learns is kept in fuzz/corpus, what breaks it in fuzz/artifacts; neither is committed. An input that
# broke a target becomes a seed in fuzz/seeds, and what it broke gets a test of its own.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

# Longest input in bytes: enough for every branch, few enough to be quick.
LONGEST=16384
# A target that takes longer for one input than this, in seconds, is broken too, also on a busy machine.
SLOWEST=20

targets() { (cd fuzz/targets && for file in *.rs; do echo "${file%.rs}"; done); }

case "${1:-}" in
    "") targets; exit 0 ;;
    -h | --help) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
    all) chosen="$(targets)" ;;
    *) [ -e "fuzz/targets/$1.rs" ] || die "there is no target $1 (see scripts/fuzz.sh)"; chosen="$1" ;;
esac
shift
have c++ || die "a C++ compiler is missing: the fuzzer itself is compiled with it"

# The instrumentation is the compiler's own and needs no sanitizer. The host is named as a target, so that build scripts
# go without.
host="$(rustc -vV | sed -n 's/^host: //p')"
RUSTFLAGS="-Cpasses=sancov-module --cfg fuzzing"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    RUSTFLAGS="$RUSTFLAGS -Cllvm-args=-sanitizer-coverage-$option"
done
export RUSTFLAGS

for target in $chosen; do
    (cd fuzz && cargo build --quiet --release --target "$host" --bin "$target")
    program="fuzz/target/$host/release/$target"
    if [ -e "${1:-}" ]; then
        "$program" -timeout=$SLOWEST "$@"
        continue
    fi
    mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
    set -- "${1:-600}"
    dictionary="fuzz/dictionaries/$target.dict"
    [ -e "$dictionary" ] || dictionary=/dev/null
    say "$target: $1 seconds"
    # What commands say to a person meanwhile is left out.
    "$program" "fuzz/corpus/$target" "fuzz/seeds/$target" -dict="$dictionary" -artifact_prefix="fuzz/artifacts/$target/" \
        -max_total_time="$1" -max_len=$LONGEST -timeout=$SLOWEST -rss_limit_mb=1024 -close_fd_mask=1 -print_final_stats=1
done
