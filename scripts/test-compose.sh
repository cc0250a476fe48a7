#!/bin/sh
# The compose file, as an operator uses it: up, grade, down and up without losing a queued job, scale, stop.
# Needs what `setup.sh --no-start` prepares. Uses a project name and a port of its own.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

export COMPOSE_PROJECT_NAME=optimus-test API_PORT=18080 OPTIMUS_SCOPE=optimus-test
API="http://127.0.0.1:$API_PORT"
export OPTIMUS_API="$API"
FAILED=0
PASSED=0

check() { # check WHAT COMMAND...
    what="$1"
    shift
    if "$@"; then
        PASSED=$((PASSED + 1))
        note "ok: $what"
    else
        FAILED=$((FAILED + 1))
        note "FAILED: $what"
    fi
}

eventually() { # eventually SECONDS COMMAND...
    deadline=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 0.5
    done
}

cleanup() {
    [ "$FAILED" = 0 ] || compose logs --tail 50 || true
    compose down -v --remove-orphans >/dev/null 2>&1 || true
    [ -z "${ADDED:-}" ] || docker rmi "optimus/$ADDED:5.2" >/dev/null 2>&1 || true
    [ -z "${COPY:-}" ] || rm -rf "$COPY"
}
trap cleanup EXIT

ready() { curl -fsS "$API/ready" >/dev/null 2>&1; }
status_of() { curl -fsS "$API/jobs/$1" | python3 -c 'import json,sys; print(json.load(sys.stdin)["status"])'; }
completed() { [ "$(status_of "$1")" = completed ]; }
python_workers() {
    curl -fsS "$API/queues" | python3 -c '
import json, sys
print(next(q["workers"] for q in json.load(sys.stdin)["queues"] if q["language"] == "python"))'
}
has_workers() { [ "$(python_workers)" = "$1" ]; }
has_socket() { docker inspect --format '{{range .Mounts}}{{.Source}} {{end}}' "$1" | grep -q docker.sock; }
all_available() {
    curl -fsS "$API/languages" | python3 -c '
import json, sys
sys.exit(not all(l["available"] for l in json.load(sys.stdin)["languages"]))'
}
no_boxes() { [ -z "$(docker ps -aq --filter label=optimus.scope=optimus-test)" ]; }
submit_one() {
    curl -fsS -H 'content-type: application/json' "$API/jobs" -d '{"language": "python",
        "source_code": "print(input())", "test_cases": [{"id": 1, "input": "hi\n", "expected_output": "hi\n"}]}' |
        python3 -c 'import json,sys; print(json.load(sys.stdin)["job_id"])'
}

compose up -d >"$BUILD_LOG" 2>&1 || { cat "$BUILD_LOG"; die "compose up failed"; }
check "becomes ready" eventually 120 ready
check "every language has a worker" eventually 60 all_available
# It reaches the project's Redis, if that is up, and then listens; else it tries again. Both come after the check.
starts_at() { # starts_at API_BIND VARIABLE=VALUE: whether the API would start there
    told="$(export API_BIND="$1" OPTIMUS__API__TOKENS= "$2" && compose run --rm --no-deps api \
        timeout 10 optimus-api --host 0.0.0.0 2>&1)" || true
    case "$told" in *"without tokens whoever reaches it"*) return 1 ;; *"trying again"* | *listening*) return 0 ;; esac
    echo "$told" >&2
    return 2
}
refuses_at() {
    if starts_at "$@"; then return 1; else [ "$?" = 1 ]; fi
}
answers_to() { # answers_to HOST
    curl -fsS -o /dev/null -H "Host: $1" "$API/queues" 2>/dev/null
}
check "answers to its name in the project" answers_to api:8080
if answers_to evil.example; then check "refuses the name of a page" false; else check "refuses the name of a page" true; fi
check "grades an example" dist/optimus-cli submit examples/sum/submissions/accepted/sum.py --tests examples/sum --wait

check "is not open to other machines by an address alone" refuses_at 0.0.0.0 OPTIMUS__API__ALLOW_ANONYMOUS=false
check "is open where that is said twice" starts_at 0.0.0.0 OPTIMUS__API__ALLOW_ANONYMOUS=true

of_service() { # of_service SERVICE VARIABLE: what of this script's environment gets there
    compose run -T --rm --no-deps "$1" printenv "$2" </dev/null 2>/dev/null | tr -d '\r'
}
limited() { [ "$(OPTIMUS__LIMITS__MAX__TEST_CASES=7 of_service api OPTIMUS__LIMITS__MAX__TEST_CASES)" = 7 ]; }
unlimited() { [ -z "$(of_service api OPTIMUS__LIMITS__MAX__TEST_CASES)" ]; }
has_token() { [ "$(OPTIMUS__API__TOKENS=secret of_service "$1" OPTIMUS__API__TOKENS)" = secret ]; }
check "a setting reaches the API where it is set" limited
check "and is not there where it is not" unlimited
check "the API gets the tokens" has_token api
if has_token worker-python; then check "workers get no tokens" false; else check "workers get no tokens" true; fi

# A bucket of which nobody answers: whom they ask, and with what, they know.
asks_bucket() { # asks_bucket SERVICE COMMAND: whether it looks for a bucket at the endpoint that is given
    told="$(export OPTIMUS__CONTENT__STORE=s3://bucket AWS_ENDPOINT="$3" AWS_ALLOW_HTTP=true AWS_REGION=here \
        AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret && compose run --rm --no-deps "$1" \
        timeout 20 $2 2>&1)" || true
    case "$told" in *"trusts no certificate"*) return 1 ;; *"$3"*) return 0 ;; esac
    echo "$told" >&2
    return 1
}
check "the API reaches for a bucket by HTTP" asks_bucket api optimus-api http://127.0.0.1:9
check "the API reaches for a bucket by HTTPS" asks_bucket api optimus-api https://127.0.0.1:9
check "a worker reaches for a bucket by HTTPS" asks_bucket worker-python "optimus-worker --language python" https://127.0.0.1:9

api="$(compose ps -q api)"
worker="$(compose ps -q worker-python)"
check "the worker holds the engine's socket" has_socket "$worker"
if has_socket "$api"; then check "the API does not hold the engine's socket" false; else check "the API does not hold the engine's socket" true; fi

compose stop worker-python >/dev/null 2>&1
job="$(submit_one)"
compose down >/dev/null 2>&1
compose up -d >/dev/null 2>&1
check "becomes ready again" eventually 120 ready
check "a job queued before down is graded after up" eventually 60 completed "$job"

compose up -d --scale worker-python=3 >/dev/null 2>&1
check "scales to three workers" eventually 60 has_workers 3

compose down >/dev/null 2>&1

# An operator adds two languages, of which one cannot be built: its files are gone. In a copy, as files are edited.
COPY="$(mktemp -d)"
cp -R docker-compose.yml config dockerfiles "$COPY"
[ ! -f .env ] || cp .env "$COPY"
CLI="$PWD/dist/optimus-cli"
ADDED="awk-compose-$$"
"$CLI" --root "$COPY" add-lang --name "$ADDED" --ext awk --version 5.2 --skip-docker >/dev/null
"$CLI" --root "$COPY" add-lang --name broken --ext rb --version 3.1 --skip-docker >/dev/null
rm -r "$COPY/dockerfiles/broken"
sed -i "s/^volumes:\$/  worker-added:\n    <<: *worker\n    command: optimus-worker --language $ADDED\n\n&/" \
    "$COPY/docker-compose.yml"
printf '{ print }\n' >"$COPY/same.awk"
printf '[{"id": 1, "input": "hi\\n", "expected_output": "hi\\n"}]\n' >"$COPY/tests.json"
graded_by_added() {
    "$CLI" submit "$COPY/same.awk" --language "$ADDED" --tests "$COPY/tests.json" --wait >/dev/null
}
up_in_copy() { (cd "$COPY" && compose up -d >"$COPY/log" 2>&1) || { cat "$COPY/log"; return 1; }; }
told_of_broken() { (cd "$COPY" && compose logs images 2>&1) | grep -q "not built: broken"; }

check "comes up although a language cannot be built" up_in_copy
check "becomes ready with the languages that were added" eventually 120 ready
check "the language that cannot be built is named" told_of_broken
check "the others go on" "$CLI" submit examples/sum/submissions/accepted/sum.py --tests examples/sum --wait
check "the language that was added is served" eventually 60 graded_by_added

(cd "$COPY" && compose down -v >/dev/null 2>&1)
check "leaves no box behind" eventually 30 no_boxes

echo "compose: $PASSED passed, $FAILED failed"
[ "$FAILED" = 0 ]
