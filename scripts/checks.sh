# The checks that test.sh is made of, apart from the suites; sourced by it, and by what goes on beside them (timing.sh), never
# run. POSIX shell.
# shellcheck shell=sh

# The switches of builds for tests alone; what is compiled with them stands beside what ships, on the same dependencies.
SWITCHES="$(sed -n 's/^exec "$@" //p' scripts/rustc-with-switches.sh)"
[ -n "$SWITCHES" ] || die "scripts/rustc-with-switches.sh names no switches"
with_switches() { (export RUSTC_WORKSPACE_WRAPPER="$PWD/scripts/rustc-with-switches.sh" && "$@"); }

# left_out WHAT: said at once, and again at the end of all (timing.sh).
left_out() {
    note "left out: $*"
    [ -z "${OPTIMUS_TIMES:-}" ] || printf 'left out: %s\n' "$*" >>"$OPTIMUS_TIMES"
}

lints_and_documentation() {
    cargo fmt --all --check
    cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
    # Once more with what only tests have: the libraries and the two suites that stand behind a switch. The other tests are
    # the same with switches and without. The documentation is that of everything.
    # shellcheck disable=SC2086
    cargo clippy --quiet --locked --workspace --lib --test hostile --test replay -- -D warnings $SWITCHES
    # There are no examples: to name them gives the dependencies the features that they have above, and so one check of them.
    RUSTDOCFLAGS="-D warnings $SWITCHES" with_switches cargo doc --quiet --locked --workspace --no-deps --lib --examples
    for script in setup.sh test.sh scripts/*.sh scripts/*/*.sh dockerfiles/*.sh dockerfiles/*/*.sh .ci/run; do sh -n "$script"; done
}

# Other machines, as far as their standard library is here or can be had; nothing is linked, so C compilers are not called.
other_machines() {
    set --
    for target in aarch64-unknown-linux-gnu x86_64-pc-windows-gnu aarch64-apple-darwin; do
        [ -d "$(rustc --print target-libdir --target "$target")" ] || rustup --quiet target add "$target" >/dev/null 2>&1 || {
            left_out "cargo check for $target, whose standard library is not here (rustup target add $target)"
            continue
        }
        machine="$(echo "$target" | tr - _)"
        export "CC_$machine=true" "AR_$machine=true"
        set -- "$@" --target "$target"
    done
    [ $# = 0 ] || cargo check --quiet --locked --workspace "$@"
}

# check_tool NAME VERSION: a cargo tool of the checks, kept inside target/. It works for a second or two: compiling it without
# optimization saves more than that.
check_tool() {
    case "$("target/tools/bin/$1" --version 2>/dev/null)" in
        *"$2"*) ;;
        *)
            note "building $1 $2 (once)"
            CARGO_PROFILE_DEV_DEBUG=none CARGO_PROFILE_DEV_DEBUG_ASSERTIONS=false CARGO_TARGET_DIR=target/tools/build \
                cargo install --quiet --locked --debug --root target/tools "$1@$2"
            rm -rf target/tools/build
            ;;
    esac
}

# What is used of others: licences, sources, known faults; and what is named and not used.
dependencies() {
    check_tool cargo-deny 0.20.2
    check_tool cargo-machete 0.9.2
    target/tools/bin/cargo-deny --log-level error check licenses bans sources
    if told="$(target/tools/bin/cargo-deny --log-level error fetch db 2>&1)"; then
        target/tools/bin/cargo-deny --log-level error check advisories
    else
        left_out "the advisories on dependencies, whose database cannot be fetched here: $(printf '%s\n' "$told" | tail -n 1)"
    fi
    target/tools/bin/cargo-machete
    # What tests share is in no program: beside dev-dependencies, only the fuzz targets have it, which are tests themselves.
    users="$(cargo tree --locked --workspace --edges normal,build --invert optimus-testkit --prefix none |
        sed 's/ .*//; /^optimus-testkit$/d; /^optimus-fuzz$/d' | sort -u)"
    [ -z "$users" ] || die "optimus-testkit is for dev-dependencies alone, and these have it:" $users
    # A workspace of its own, which is built only where something is fuzzed.
    (cd fuzz && cargo metadata --quiet --locked --format-version 1 >/dev/null) ||
        die "fuzz/Cargo.lock is not in step with the crates"
}

# What scripts/suites.py runs, as it ships: what takes layers of defence away is not in it. The whole workspace is named here
# and below, so that dependencies have the same features each time and are compiled once.
compile_tests() {
    cargo test --quiet --locked --workspace --no-run --message-format=json-render-diagnostics >target/tests.json
}
compile_weakened() { with_switches cargo test --quiet --locked --workspace --no-run --test replay --test hostile; }
