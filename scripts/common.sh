# Shared by setup.sh and test.sh; sourced, never run. POSIX shell.
# shellcheck shell=sh

# The plain Debian every image is built from where no registry answers.
DEBIAN_BASE="${OPTIMUS_DEBIAN_BASE:-optimus/debian-base:bookworm}"
RUST_VERSION=1.95
# In the checkout, where nobody else can have put a link to something of ours; /tmp is open to all.
BUILD_LOG=target/build.log
mkdir -p target 2>/dev/null || true
DOCKERD_LOG=/var/log/dockerd.log

# In colour where a person looks; a file or a pipe gets the words alone.
say() { if [ -t 1 ]; then printf '\033[1m==> %s\033[0m\n' "$*"; else printf '==> %s\n' "$*"; fi; }
note() { printf '    %s\n' "$*"; }
die() {
    if [ -t 2 ]; then printf '\033[31merror:\033[0m %s\n' "$*" >&2; else printf 'error: %s\n' "$*" >&2; fi
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

can_install() { [ "$(id -u)" = 0 ] && have apt-get; }

# quietly WHAT COMMAND...: its output goes into the log, of which the end is shown where it fails. Meanwhile a word now and
# then tells that it goes on.
quietly() {
    what="$1"
    shift
    (
        waited=0
        # Whoever stops this script stops this, too.
        while sleep 15 >/dev/null 2>&1 && kill -0 "$$" 2>/dev/null; do
            waited=$((waited + 15))
            note "$what: $waited s so far (its output: $BUILD_LOG)"
        done
    ) &
    teller=$!
    status=0
    "$@" >"$BUILD_LOG" 2>&1 || status=$?
    kill "$teller" 2>/dev/null || true
    wait "$teller" 2>/dev/null || true
    [ "$status" = 0 ] || {
        tail -n 40 "$BUILD_LOG" >&2
        die "$what failed; all of its output: $BUILD_LOG"
    }
}

# need COMMAND PACKAGE WHY: installs the package where we may, else collects what is missing for the person to read.
MISSING=""
need() {
    have "$1" && return
    if can_install; then
        WANTED="${WANTED:-} $2"
    else
        MISSING="$MISSING
  - $1 ($3): install the package $2"
    fi
}

install_wanted() {
    [ -z "${WANTED:-}" ] && return
    note "installing with apt-get, as root:$WANTED"
    quietly "installing$WANTED" apt_install
    WANTED=""
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    apt-get update && apt-get install -y --no-install-recommends $WANTED
}

stop_if_missing() {
    [ -z "$MISSING" ] || die "missing on this machine:$MISSING
(as root on Debian or Ubuntu this script installs them itself)"
}

# A client alone is no engine: some machines have one without the other.
need_engine() {
    engine_answers && return
    if have dockerd; then return; fi
    if can_install; then
        WANTED="${WANTED:-} docker.io"
    else
        need docker docker.io "runs the boxes"
    fi
}

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# Brings up the engine: by systemd where it runs, else as a background process, which is what a container or a small
# virtual machine without an init system needs.
start_engine() {
    engine_answers && return
    [ "$(id -u)" = 0 ] || die "the Docker engine does not answer; start it, or run this script as root"
    if [ -d /run/systemd/system ]; then
        systemctl start docker
    else
        have dockerd || die "the Docker engine does not answer and there is no dockerd to start"
        # Left by an engine that was killed: its number may be another process by now, or one that is dead and not yet
        # reaped, which has a name but no executable.
        pid="$(cat /var/run/docker.pid 2>/dev/null || true)"
        case "$(readlink "/proc/${pid:-none}/exe" || true)" in
            */dockerd*) ;;
            *) rm -f /var/run/docker.pid ;;
        esac
        note "no init system runs here: starting dockerd in the background, where it stays"
        note "its log: $DOCKERD_LOG, at most 10 MiB; to stop it: kill \$(cat /var/run/docker.pid)"
        export DOCKERD_LOG
        nohup setsid sh -c '. scripts/common.sh; dockerd 2>&1 | bounded_log "$DOCKERD_LOG"' >/dev/null 2>&1 </dev/null &
    fi
    tries=0
    until engine_answers; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || die "the Docker engine did not come up; see $DOCKERD_LOG"
        sleep 0.5
    done
}

# bounded_log FILE: writes standard input there, and keeps the last 5 to 10 MiB of it, the older half in FILE.old.
bounded_log() {
    : >"$1"
    written=0
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$1"
        written=$((written + ${#line} + 1))
        if [ "$written" -gt 5242880 ]; then
            mv "$1" "$1.old"
            written=0
        fi
    done
}

ENV_BEGIN="# Written by setup.sh from here on; write your own settings outside of these two lines."
ENV_END="# Written by setup.sh up to here."

# keep_in_env KEY=VALUE...: these, and nothing else, between the two marks in .env. Whatever stands outside of them is the
# operator's: it is kept as it is, and a key that is set there is not set again.
keep_in_env() {
    env_file="$(readlink -f .env 2>/dev/null || echo .env)"
    [ -e "$env_file" ] || [ $# -gt 0 ] || return 0
    new_env="$(mktemp "$env_file.XXXXXX")"
    if [ -e "$env_file" ]; then
        # With its mode and owner: it may hold tokens.
        cp -p "$env_file" "$new_env"
        # A first mark without a second one encloses nothing. The five lines that were once the whole file are ours, too.
        awk -v begin="$ENV_BEGIN" -v end="$ENV_END" -v base="$DEBIAN_BASE" '
            NR == 1 && $0 == "# Written by setup.sh: no registry answered, so nothing may be pulled." { once = 1; next }
            once && $0 == "REDIS_IMAGE=optimus/redis:local" { next }
            once && ($0 == "BUILD_IMAGE=" base || $0 == "BASE_IMAGE=" base || $0 == "OPTIMUS_DEBIAN_BASE=" base) { next }
            { once = 0 }
            $0 == begin { printf "%s", held; held = $0 "\n"; next }
            held != "" && $0 == end { held = ""; next }
            held != "" { held = held $0 "\n"; next }
            { print }
            END { printf "%s", held }' "$env_file" >"$new_env"
    else
        chmod 644 "$new_env"
    fi
    own_lines=""
    for pair in "$@"; do
        key="${pair%%=*}"
        if grep -Eq "^[[:space:]]*(export[[:space:]]+)?$key[[:space:]]*=" "$new_env"; then
            note "$key is set in .env, and stays so"
        else
            own_lines="$own_lines$pair
"
        fi
    done
    [ -z "$own_lines" ] || printf '%s\n%s%s\n' "$ENV_BEGIN" "$own_lines" "$ENV_END" >>"$new_env"
    if cmp -s "$new_env" "$env_file"; then
        rm -f "$new_env"
    else
        mv "$new_env" "$env_file"
    fi
}

# Compose as a plugin (v2) or as docker-compose (1.29): the file suits both.
compose() {
    # shellcheck disable=SC2046
    $(compose_name) "$@"
}

# The words a person calls it with on this machine.
compose_name() {
    if docker compose version >/dev/null 2>&1; then echo "docker compose"; else echo "docker-compose"; fi
}

# Where this machine reaches the API that runs, and the first token that it takes, which may be none. Both are asked of what
# runs: settings come from the environment, from .env, and from the compose file.
api_address() {
    published="$(compose port api 8080)"
    case "$published" in
        0.0.0.0:*) published="127.0.0.1:${published##*:}" ;;
        "[::]:"* | :::*) published="[::1]:${published##*:}" ;;
        "" | *:0) die "the API does not run; see: $(compose_name) logs api" ;;
    esac
    echo "http://$published"
}
api_token() { compose exec -T api printenv OPTIMUS__API__TOKENS </dev/null | tr -d '\r' | cut -d, -f1; }

# until_ready URL TRIES: waits for the API, two tries a second.
until_ready() {
    tries=0
    until curl -fsS "$1/ready" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -ge "$2" ]; then
            # What it answers, if it does, or why nothing was reached.
            curl -sS "$1/ready" >&2 || :
            die "the system did not become ready at $1; see: $(compose_name) logs"
        fi
        sleep 0.5
    done
}

image_exists() { docker image inspect "$1" >/dev/null 2>&1; }

# Whether official images can be had. Asked once; the smallest one that is needed anyway is the question.
registry_answers() {
    [ -n "${REGISTRY_ANSWERS:-}" ] && { [ "$REGISTRY_ANSWERS" = yes ]; return; }
    if [ "${OPTIMUS_OFFLINE:-}" != 1 ] && timeout 60 docker pull -q debian:bookworm-slim >/dev/null 2>&1; then
        REGISTRY_ANSWERS=yes
    else
        REGISTRY_ANSWERS=no
    fi
    [ "$REGISTRY_ANSWERS" = yes ]
}

# A plain Debian made with debootstrap, for machines from which no registry can be reached.
make_debian_base() {
    image_exists "$DEBIAN_BASE" && return
    [ "$(id -u)" = 0 ] || die "no registry answers, so a base image must be made with debootstrap; run this as root once"
    have debootstrap || { WANTED="debootstrap"; can_install || die "debootstrap is missing"; install_wanted; }
    note "no registry answers: making $DEBIAN_BASE with debootstrap (half a minute)"
    root="$(mktemp -d)"
    # Where it fails, what is there of it is removed all the same.
    trap 'rm -rf "$root"' EXIT
    quietly "debootstrap" debootstrap --variant=minbase --include=ca-certificates bookworm "$root"
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/*
    tar -C "$root" -c . | docker import - "$DEBIAN_BASE" >/dev/null
    rm -rf "$root"
    trap - EXIT
}

# The host's own target triple: naming it keeps `crt-static` away from build scripts and macros.
host_triple() { rustc -vV | sed -n 's/^host: //p'; }

# The programs, into dist/.
build_binaries() {
    cargo build --release --locked -p optimus-api -p optimus-worker -p optimus-cli
    mkdir -p dist
    for name in optimus-api optimus-worker optimus-cli; do
        install -m 755 "${CARGO_TARGET_DIR:-target}/release/$name" "dist/.$name.new"
        mv "dist/.$name.new" "dist/$name"
    done
}

# The agent: one static binary, copied into every image.
build_runner() {
    triple="$(host_triple)"
    RUSTFLAGS="-C target-feature=+crt-static" \
        cargo build --locked --profile runner --target "$triple" -p optimus-runner
    install -m 755 "${CARGO_TARGET_DIR:-target}/$triple/runner/optimus-runner" dockerfiles/.optimus-runner.new
    mv dockerfiles/.optimus-runner.new dockerfiles/optimus-runner
}

# What compiles Optimus. Rust itself comes from its own installer, not from the distribution.
need_cargo() {
    need cc "gcc libc6-dev" "links the binaries"
    cargo_is_new_enough || MISSING="$MISSING
  - cargo $RUST_VERSION or newer (compiles Optimus): see https://rustup.rs"
}

cargo_is_new_enough() {
    have cargo || return 1
    minor="$(cargo --version | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')"
    [ "${minor:-0}" -ge "${RUST_VERSION#1.}" ]
}
