# What of the checks took how long; sourced by test.sh, never run. POSIX shell.
# shellcheck shell=sh

# Lines of a table: seconds, and what they went into; and what was left out. Whatever is started from here adds its own.
OPTIMUS_TIMES="$(mktemp)"
export OPTIMUS_TIMES
SINCE="$(date +%s)" STARTED="$SINCE"

# took WHAT: everything since the last call.
took() {
    now="$(date +%s)"
    printf '%6d s  %s\n' "$((now - SINCE))" "$1" >>"$OPTIMUS_TIMES"
    SINCE="$now"
}

# tests ARGUMENTS: `cargo test`, with a line for every test binary, and one for what was compiled before the first.
tests() {
    status="$(mktemp)"
    {
        code=0
        cargo test --locked "$@" 2>&1 || code="$?"
        echo "$code" >"$status"
    } | {
        what="compiling tests"
        while IFS= read -r line; do
            printf '%s\n' "$line"
            case "$line" in
                *" Running "*"/deps/"* | *" Doc-tests "*)
                    took "  $what"
                    what="$(printf '%s\n' "$line" | sed 's/^ *Running //; s/^ *//; s|([^ ]*/deps/\(.*\)-[0-9a-f]*)|\1|')"
                    ;;
            esac
        done
        took "  $what"
    }
    ended="$(cat "$status")"
    rm -f "$status"
    # The other side of a pipe keeps its own time.
    SINCE="$(date +%s)"
    return "$ended"
}

# What goes on beside everything else: for each its process, which leads a group, and what it is called.
MEANWHILE=""

# meanwhile NAME WHAT...: WHAT, a function of checks.sh or a command, goes on beside what follows, with the processor time that
# this leaves over. NAME is a word; what it prints is shown by `together`.
meanwhile() {
    mkdir -p target/meanwhile
    # A shell of its own, where a command that fails ends all of it, and a group of its own, which can be ended as a whole.
    # shellcheck disable=SC2016
    setsid nice -n 10 sh -euc '
        . scripts/common.sh
        . scripts/checks.sh
        began="$(date +%s)"
        "$@"
        printf "%6d s  beside the others: %s\n" "$(($(date +%s) - began))" "$0" >>"$OPTIMUS_TIMES"' \
        "$@" >"target/meanwhile/$1" 2>&1 </dev/null &
    MEANWHILE="$MEANWHILE $!:$1"
}

# together: waits for all of these, shows what each has printed, and fails where one of them has.
together() {
    failed=""
    for part in $MEANWHILE; do
        wait "${part%%:*}" || failed="$failed ${part#*:}"
        say "Beside the others: ${part#*:}"
        cat "target/meanwhile/${part#*:}"
    done
    MEANWHILE=""
    took "waiting for what went on beside the others"
    [ -z "$failed" ] || die "failed beside the others:$failed"
}

# soak_seconds: how long jobs are submitted to each of the two stores. What was asked for, if there is time: a minute is
# needed for each to come to its end, and less than one of jobs shows little.
soak_seconds() {
    asked="${OPTIMUS_SOAK_SECONDS:-60}"
    if [ -n "${OPTIMUS_TEST_MINUTES:-}" ]; then
        left="$(((STARTED + OPTIMUS_TEST_MINUTES * 60 - $(date +%s)) / 2 - 60))"
        [ "$left" -ge 60 ] || left=60
        [ "$asked" -le "$left" ] || asked="$left"
    fi
    echo "$asked"
}

# At the end of all, however it came. What still goes on has no one to report to.
over() {
    for part in $MEANWHILE; do
        kill -- "-${part%%:*}" 2>/dev/null || true
    done
    table
}

table() {
    minutes="$((($(date +%s) - STARTED) / 60))"
    say "What took how long"
    grep -v '^left out: ' "$OPTIMUS_TIMES" || true
    if grep -q '^left out: ' "$OPTIMUS_TIMES"; then
        say "What was left out"
        sed -n 's/^left out: /    /p' "$OPTIMUS_TIMES"
    fi
    rm -f "$OPTIMUS_TIMES"
    note "$minutes minutes in all"
    if [ -n "${OPTIMUS_TEST_MINUTES:-}" ] && [ "$minutes" -gt "$OPTIMUS_TEST_MINUTES" ]; then
        note "more than the $OPTIMUS_TEST_MINUTES minutes that all of it may take"
    fi
}
