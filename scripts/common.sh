# Shared by setup.sh and test.sh; sourced, never run. POSIX shell.
# shellcheck shell=sh

# The plain Debian every image is built from where no registry answers.
DEBIAN_BASE="${OPTIMUS_DEBIAN_BASE:-optimus/debian-base:bookworm}"
RUST_VERSION=1.95
BUILD_LOG="${TMPDIR:-/tmp}/optimus-build.log"

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
note() { printf '    %s\n' "$*"; }
die() {
    printf '\033[31merror:\033[0m %s\n' "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

can_install() { [ "$(id -u)" = 0 ] && have apt-get; }

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
    note "installing:$WANTED"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    { apt-get update && apt-get install -y --no-install-recommends $WANTED; } >"$BUILD_LOG" 2>&1 ||
        { tail -n 20 "$BUILD_LOG" >&2; die "cannot install$WANTED"; }
    WANTED=""
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
        note "starting dockerd (log: /var/log/dockerd.log)"
        nohup setsid dockerd >/var/log/dockerd.log 2>&1 </dev/null &
    fi
    tries=0
    until engine_answers; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || die "the Docker engine did not come up; see /var/log/dockerd.log"
        sleep 0.5
    done
}

# Compose as a plugin (v2) or as docker-compose (1.29): the file suits both.
compose() {
    if docker compose version >/dev/null 2>&1; then
        docker compose "$@"
    else
        docker-compose "$@"
    fi
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
    debootstrap --variant=minbase --include=ca-certificates bookworm "$root" >"$BUILD_LOG" 2>&1 ||
        { tail -n 20 "$BUILD_LOG" >&2; rm -rf "$root"; die "debootstrap failed"; }
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/*
    tar -C "$root" -c . | docker import - "$DEBIAN_BASE" >/dev/null
    rm -rf "$root"
}

# The host's own target triple: naming it keeps `crt-static` away from build scripts and macros.
host_triple() { rustc -vV | sed -n 's/^host: //p'; }

# The agent: one static binary, copied into every image.
build_runner() {
    triple="$(host_triple)"
    RUSTFLAGS="-C target-feature=+crt-static" \
        cargo build --quiet --locked --profile runner --target "$triple" -p optimus-runner
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
