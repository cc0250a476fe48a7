#!/bin/sh
# Grades all examples, in all languages, with all their wrong programs, again and again in native boxes, and compares
# the verdict of every test in every round with that of the first round. See docs/stability.md.
#
#   scripts/stability.sh [ROUNDS]   50 by default; meant for a machine that is busy with something else
#
# The program is target/release/optimus-cli, or the one that OPTIMUS_CLI names. Ends with 1 where a verdict differs.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

ROUNDS="${1:-50}"
case "$ROUNDS" in
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *[!0-9]* | "" | 0) die "$ROUNDS is no number of rounds" ;;
esac
CLI="${OPTIMUS_CLI:-target/release/optimus-cli}"
[ -x "$CLI" ] || die "$CLI is missing: cargo build --release -p optimus-cli"
have python3 || die "python3 is missing: it makes the examples' tests, and reads the results"
python3 examples/generate.py

WORK="$(mktemp -d)"
trap 'rm -rf "$WORK"' EXIT

# verdicts FILE...: a line for each program, with whether it is as expected, and for each of its tests.
verdicts() {
    python3 - "$@" <<'PYTHON'
import json, sys
for path in sys.argv[1:]:
    with open(path) as file:
        report = json.load(file)
    for row in report["solutions"]:
        name = f'{report["problem"]}\t{row["name"]}'
        expected = {True: "as expected", False: "NOT AS EXPECTED", None: "NOT GRADED"}[row["as_expected"]]
        print(name, "program", row["verdict"], expected, sep="\t")
        for test in row["results"]:
            print(name, test["name"], test["verdict"], sep="\t")
PYTHON
}

# One round. A program that is not as expected shows in its line; grade says the same by its exit code.
grade_all() {
    rm -f "$WORK"/*.json
    for problem in examples/*/problem.yaml; do
        folder="$(dirname "$problem")"
        report="$WORK/$(basename "$folder").json"
        "$CLI" grade --backend native --all "$folder" --json > "$report" 2> "$WORK/errors" || [ -s "$report" ] ||
            die "$folder could not be graded: $(cat "$WORK/errors")"
    done
    verdicts "$WORK"/*.json
}

differing=0 unexpected=0 started="$(date +%s)"
round=0
while [ "$round" -lt "$ROUNDS" ]; do
    round=$((round + 1))
    began="$(date +%s)"
    grade_all > "$WORK/round"
    [ "$round" -gt 1 ] || cp "$WORK/round" "$WORK/first"
    programs="$(cut -f 3 "$WORK/round" | grep -c '^program$')"
    all="$(wc -l < "$WORK/round")"
    wrong="$(grep -c 'NOT [A-Z ]*$' "$WORK/round" || true)"
    diff "$WORK/first" "$WORK/round" > "$WORK/difference" || true
    differ="$(grep -c '^>' "$WORK/difference" || true)"
    echo "round $round: $programs programs, $((all - programs)) tests, $(($(date +%s) - began)) s," \
        "load $(cut -d ' ' -f 1 /proc/loadavg): $differ verdicts differ, $wrong programs not as expected"
    cat "$WORK/difference"
    grep 'NOT [A-Z ]*$' "$WORK/round" || true
    differing=$((differing + differ)) unexpected=$((unexpected + wrong))
done
echo "$ROUNDS rounds of $all verdicts in $(($(date +%s) - started)) s:" \
    "$differing differ from the first round's, $unexpected programs not as expected"
[ "$differing" = 0 ] && [ "$unexpected" = 0 ]
