#!/bin/sh
# Builds Optimus and grades an example problem with it.
#
#   ./setup.sh                      on this machine alone: neither Docker nor Redis, boxes made of namespaces and cgroups
#   ./setup.sh --docker             the services: API, Redis and a worker for each language, boxes made of containers
#   ./setup.sh --docker --no-start  their prerequisites, binaries and images only
#
# Either way dist/ then holds optimus-cli, optimus-api and optimus-worker. As root on Debian, what is missing is installed with
# apt-get, and named before. In .env it writes between two marks of its own, and nothing else.
#
# With --docker, official images are pulled where a registry answers, and the binaries are then compiled inside one. Where
# none answers, the binaries are compiled with this machine's cargo and every image is made from a Debian by debootstrap.
# Running it again is quick and changes nothing that is already right.
set -eu
cd "$(dirname "$0")"
. scripts/common.sh

DOCKER=no START=yes
for arg in "$@"; do
    case "$arg" in
        --docker) DOCKER=yes ;;
        --no-start) START=no ;;
        -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "unknown option $arg (see --help)" ;;
    esac
done

if [ "$DOCKER" = no ]; then
    [ "$START" = yes ] || die "--no-start is for --docker (see --help)"
    [ "$(uname -s)" = Linux ] || die "boxes without Docker need Linux; here it is: ./setup.sh --docker"
    say "Checking prerequisites"
    need_cargo
    need python3 python3 "a language to grade, and writes the large test data of the examples"
    install_wanted
    stop_if_missing

    say "Building optimus-cli, optimus-api and optimus-worker (release mode; the first time takes minutes)"
    build_binaries
    python3 examples/generate.py >/dev/null

    say "What this machine offers"
    dist/optimus-cli doctor

    say "Grading every Python and C program of an example, correct and wrong ones"
    dist/optimus-cli grade examples/sum --all --language python,c

    say "Optimus is built"
    note "serve it:  dist/optimus-cli serve"
    note "as services on Docker, for many machines:  ./setup.sh --docker"
    exit 0
fi

say "Checking prerequisites"
need_engine
docker compose version >/dev/null 2>&1 || need docker-compose docker-compose "starts the services"
need curl curl "talks to the API"
need python3 python3 "writes the large test data of the examples"
install_wanted
stop_if_missing
start_engine
note "Docker engine $(docker version --format '{{.Server.Version}}')"

if registry_answers; then
    note "official images can be pulled"
    keep_in_env
else
    note "no image registry answers: everything is built from Debian packages"
    need_cargo
    install_wanted
    stop_if_missing
    make_debian_base
    image_exists optimus/redis:local ||
        quietly "building the Redis image" \
            docker build -t optimus/redis:local --build-arg BASE_IMAGE="$DEBIAN_BASE" dockerfiles/redis
    keep_in_env REDIS_IMAGE=optimus/redis:local BUILD_IMAGE="$DEBIAN_BASE" BASE_IMAGE="$DEBIAN_BASE" \
        OPTIMUS_DEBIAN_BASE="$DEBIAN_BASE"
    say "Building the binaries (release mode; the first time takes minutes)"
    sh dockerfiles/optimus/build.sh --force
fi

say "Building the services' image"
quietly "building the services' image" compose build api
if registry_answers; then
    # The programs for this machine, out of the image they were compiled in.
    mkdir -p dist
    box="$(docker create optimus/services:latest)"
    for name in optimus-cli optimus-api optimus-worker; do
        docker cp -q "$box:/usr/local/bin/$name" "dist/$name"
    done
    docker cp -q "$box:/opt/optimus/dockerfiles/optimus-runner" dockerfiles/optimus-runner
    docker rm "$box" >/dev/null
fi

# What is in dist/ comes out of a Linux image. Elsewhere it is called in one.
HERE="$(uname -s)"
say "Building the languages' images that are missing"
if [ "$HERE" = Linux ]; then
    OPTIMUS_DEBIAN_BASE="$DEBIAN_BASE" dist/optimus-cli build-image --missing
else
    compose run --rm --no-deps images optimus-cli build-image --missing
fi

[ "$START" = yes ] || exit 0

say "Starting API, Redis and one worker per language"
quietly "starting the services" compose up -d
API="$(api_address)"
until_ready "$API" 120

say "Grading an example through $API"
python3 examples/generate.py >/dev/null
OPTIMUS_TOKEN="${OPTIMUS_TOKEN:-$(api_token)}"
[ -z "$OPTIMUS_TOKEN" ] || export OPTIMUS_TOKEN
if [ "$HERE" = Linux ]; then
    OPTIMUS_API="$API" dist/optimus-cli submit examples/sum/submissions/accepted/sum.py --tests examples/sum --wait
else
    compose run --rm --no-deps -e OPTIMUS_TOKEN -v "$PWD/examples:/examples" api \
        optimus-cli submit /examples/sum/submissions/accepted/sum.py --tests /examples/sum --wait --api http://api:8080
fi

say "Optimus is up at $API (stop it with: $(compose_name) down)"
