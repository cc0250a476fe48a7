# What of the checks took how long; sourced by test.sh, never run. POSIX shell.
# shellcheck shell=sh

# Lines of a table: seconds, and what they went into.
TIMES="$(mktemp)"
SINCE="$(date +%s)" STARTED="$SINCE"

# took WHAT: everything since the last call.
took() {
    now="$(date +%s)"
    printf '%6d s  %s\n' "$((now - SINCE))" "$1" >>"$TIMES"
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

# Printed however the checks end.
table() {
    minutes="$((($(date +%s) - STARTED) / 60))"
    say "What took how long"
    cat "$TIMES"
    rm -f "$TIMES"
    note "$minutes minutes in all"
    if [ -n "${OPTIMUS_TEST_MINUTES:-}" ] && [ "$minutes" -gt "$OPTIMUS_TEST_MINUTES" ]; then
        note "more than the $OPTIMUS_TEST_MINUTES minutes that all of it may take"
    fi
}
