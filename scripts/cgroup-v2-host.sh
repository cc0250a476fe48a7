#!/bin/sh
# Runs a command on a host that has nothing but cgroup v2: a small Debian with a kernel of its own, booted under QEMU
# for this one command and thrown away after it.
#
#   scripts/cgroup-v2-host.sh run [OPTION...] -- COMMAND...   runs COMMAND there
#   scripts/cgroup-v2-host.sh build                           only makes the disk image that `run` boots
#
#   --user NAME          run as an ordinary user with a delegated cgroup and subordinate ids (default: root)
#   --share DIR          show this folder too, read-only, at the same path (may be given again)
#   --cpus N             default 2
#   --memory MIB         default 4096
#   --time-limit SECONDS for boot and command together, default 1800
#
# The checkout is visible at its own path, read-only, so what was built here runs there. COMMAND starts in the caller's
# folder if that is part of the checkout, with a writable root and /tmp that nothing outlives, no standard input, and
# no network but loopback. Its output comes out of this script as it is made, and its exit code is this script's;
# 124 says that the time limit passed, 125 that the host never came up, died or hung, with the end of its console.
#
# Packages of the guest: OPTIMUS_VM_PACKAGES. Its Debian: OPTIMUS_VM_SUITE (bookworm). Each such pair has one image in
# target/vm/, made once, as root. OPTIMUS_VM_ACCEL: kvm or tcg (emulation in software), else what was found to work.
set -eu
CALLER="$(pwd -P)"
cd "$(dirname "$0")/.."
CHECKOUT="$(pwd -P)"
. scripts/common.sh

SUITE="${OPTIMUS_VM_SUITE:-bookworm}"
PACKAGES="${OPTIMUS_VM_PACKAGES:-python3 gcc g++ libc6-dev perl iproute2 procps uidmap bubblewrap}"
GUEST=scripts/cgroup-v2-host
STORE="$CHECKOUT/target/vm"

usage() { sed -n '2,22s/^# \{0,1\}//p' "$CHECKOUT/scripts/cgroup-v2-host.sh"; }
# A code of its own, so that it is not taken for the command's.
die() {
    printf 'cgroup-v2-host: %s\n' "$*" >&2
    exit 125
}

# Every long step is a background job that is waited for: a shell acts on a signal only between foreground commands.
JOB="" RUN="" UNFINISHED=""
cleanup() {
    trap '' TERM INT HUP
    if [ -n "$JOB" ]; then
        kill "$JOB" 2>/dev/null || true
        wait "$JOB" || true
    fi
    [ -z "$RUN" ] || rm -rf "$RUN"
    [ -z "$UNFINISHED" ] || rm -rf "$UNFINISHED"
}
trap cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP

# await COMMAND...: its exit code in CODE. It dies with this script even if that is killed with a signal no trap sees.
await() {
    CODE=0
    setpriv --pdeathsig KILL "$@" &
    JOB=$!
    wait "$JOB" || CODE=$?
    JOB=""
}

prerequisites() {
    [ "$(uname -m)" = x86_64 ] || die "the guest is x86-64, and so must be this machine"
    need qemu-system-x86_64 qemu-system-x86 "boots the guest"
    need setpriv util-linux "ends the guest with this script"
    need timeout coreutils "bounds the guest's time"
    if [ ! -d "$IMAGE" ]; then
        need debootstrap debootstrap "makes the guest's Debian"
        need mke2fs e2fsprogs "makes the guest's disk"
        need flock util-linux "lets one run make the disk while others wait"
    fi
    install_wanted
    stop_if_missing
}

image_name() {
    # shellcheck disable=SC2086
    key="$({ printf '%s\n' "$SUITE" $PACKAGES | sort -u; cat "$GUEST/make-image.sh" "$GUEST/initramfs.sh"; } | sha256sum)"
    echo "$STORE/$SUITE-$(printf '%.12s' "$key")"
}

make_image() {
    mkdir -p "$STORE"
    exec 9>"$STORE/lock"
    await flock 9
    if [ ! -d "$IMAGE" ]; then
        [ "$(id -u)" = 0 ] || die "the guest's disk must be made once, as root: sudo $0 build"
        note "making the guest's disk once: $SUITE with $PACKAGES"
        UNFINISHED="$IMAGE.unfinished"
        rm -rf "$UNFINISHED"
        mkdir "$UNFINISHED"
        # Namespaces of its own: whatever it mounts or starts is gone with it, before its folder is removed.
        # shellcheck disable=SC2086
        await unshare --mount --pid --fork --kill-child --mount-proc \
            sh "$GUEST/make-image.sh" "$UNFINISHED" "$SUITE" $PACKAGES >"$STORE/build.log" 2>&1
        [ "$CODE" = 0 ] || { tail -n 20 "$STORE/build.log" >&2; die "cannot make the guest's disk; see $STORE/build.log"; }
        mv "$UNFINISHED" "$IMAGE"
        UNFINISHED=""
    fi
    exec 9>&-
}

# Shell words that are exactly the arguments, whatever is in them.
quoted() {
    for word in "$@"; do
        printf '%s\n' "$word" | sed "s/'/'\\\\''/g; 1s/^/'/; \$s/\$/' \\\\/"
    done
    echo
}

# What the guest reads to know its task.
write_task() {
    task="$1"
    shift
    mkdir "$task"
    cp "$GUEST/init.sh" "$task/"
    { echo 'exec \'; quoted "$@"; } >"$task/command"
    printf '%s\n' "$SHARES" >"$task/shares"
    printf '%s\n' "$GUEST_USER" >"$task/user"
    case "$CALLER/" in
        "$CHECKOUT/"*) printf '%s\n' "$CALLER" >"$task/folder" ;;
        *) printf '%s\n' "$CHECKOUT" >"$task/folder" ;;
    esac
    chmod -R a+rX "$task"
}

# A path as part of an option of QEMU.
escaped() { printf '%s' "$1" | sed 's/,/,,/g'; }

# One folder of this machine as option words of QEMU.
share_options() {
    printf '%s\n' -fsdev "local,id=$1,path=$(escaped "$2"),security_model=none,readonly=on,multidevs=remap" \
        -device "virtio-9p-pci,fsdev=$1,mount_tag=$1"
}

# An emulated timer on a busy machine fails the kernel's test of it now and then, which a real one never does.
KERNEL_OPTIONS="console=ttyS0 quiet panic=-1 oops=panic no_timer_check"

# The machine to boot, as option words of QEMU. Hosts that are virtual machines themselves may offer that feature of
# the processor and then refuse its register.
machine() {
    case "$ACCELERATOR" in
        kvm) cpu=max,-arch-capabilities ;;
        tcg) cpu=max ;;
    esac
    printf '%s\n' -machine q35 -accel "$ACCELERATOR" -cpu "$cpu" -nodefaults -no-user-config -display none \
        -no-reboot -nic none -kernel "$IMAGE/vmlinuz" -initrd "$IMAGE/initramfs"
}

# /dev/kvm may be there, open, and still not carry an ordinary kernel in useful time (virtual machines within virtual
# machines): asked by booting one, once for each boot of this machine.
choose_accelerator() {
    ACCELERATOR="${OPTIMUS_VM_ACCEL:-}"
    case "$ACCELERATOR" in
        kvm | tcg) return ;;
        "") ;;
        *) die "OPTIMUS_VM_ACCEL is kvm or tcg" ;;
    esac
    boot="$(cat /proc/sys/kernel/random/boot_id)"
    known="$(cat "$STORE/accelerator" 2>/dev/null || true)"
    if [ "${known% *}" = "$boot" ]; then
        ACCELERATOR="${known#* }"
        return
    fi
    ACCELERATOR=kvm
    # shellcheck disable=SC2046
    await timeout --kill-after 5 20 setpriv --pdeathsig KILL qemu-system-x86_64 $(machine) -m 512 \
        -append "$KERNEL_OPTIONS probe" </dev/null >/dev/null 2>&1
    if [ "$CODE" != 0 ]; then
        note "no use of /dev/kvm here: the guest is emulated in software, which is several times slower"
        ACCELERATOR=tcg
    fi
    # Only a help for the next time, which another user's folder need not take.
    echo "$boot $ACCELERATOR" 2>/dev/null >"$STORE/accelerator" || true
}

run_guest() {
    RUN="$(mktemp -d "${TMPDIR:-/tmp}/cgroup-v2-host.XXXXXX")"
    write_task "$RUN/task" "$@"
    mkfifo "$RUN/out" "$RUN/err"
    # Whoever stops listening does not stop the command, whose exit code still counts.
    { cat || cat >/dev/null; } <"$RUN/out" &
    out=$!
    { cat >&2 || cat >/dev/null; } <"$RUN/err" &
    err=$!
    # Held open until QEMU is gone, so that the two end then, and only then.
    exec 7>"$RUN/out" 8>"$RUN/err"

    # shellcheck disable=SC2046
    set -- $(machine) $(share_options task "$RUN/task")
    number=0
    for folder in $SHARES; do
        # shellcheck disable=SC2046
        set -- "$@" $(share_options "share$number" "$folder")
        number=$((number + 1))
    done
    await timeout --kill-after 5 "$TIME_LIMIT" setpriv --pdeathsig KILL \
        qemu-system-x86_64 "$@" -smp "$CPUS" -m "$MEMORY" -append "$KERNEL_OPTIONS" \
        -drive "file=$(escaped "$IMAGE")/disk,format=raw,if=virtio,snapshot=on" \
        -serial "file:$RUN/console" -device virtio-serial-pci \
        -chardev "file,id=out,path=$RUN/out" -device virtserialport,chardev=out,name=out \
        -chardev "file,id=err,path=$RUN/err" -device virtserialport,chardev=err,name=err \
        -chardev "file,id=exit,path=$RUN/exit" -device virtserialport,chardev=exit,name=exit \
        </dev/null >"$RUN/qemu.log" 2>&1 7>&- 8>&-
    exec 7>&- 8>&-
    wait "$out" "$err" || true

    told="$(cat "$RUN/exit" 2>/dev/null || true)"
    [ -z "$told" ] || exit "$told"
    for log in "$RUN/qemu.log" "$RUN/console"; do
        [ ! -s "$log" ] || tail -n 40 "$log" >&2
    done
    if [ "$CODE" = 124 ] || [ "$CODE" = 137 ]; then
        printf 'cgroup-v2-host: not done after %s s; its console ends as above\n' "$TIME_LIMIT" >&2
        exit 124
    fi
    die "the guest ended without telling an exit code (QEMU: $CODE); its console ends as above"
}

ACTION="${1:-}"
[ $# = 0 ] || shift
case "$ACTION" in
    run | build) ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac
GUEST_USER=root SHARES="$CHECKOUT" CPUS=2 MEMORY=4096 TIME_LIMIT=1800
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || die "$1 needs something after it (see --help)"
    case "$1" in
        --user) GUEST_USER="$2" ;;
        --share) SHARES="$SHARES
$(cd "$CALLER" && cd "$2" && pwd -P)" ;;
        --cpus) CPUS="$2" ;;
        --memory) MEMORY="$2" ;;
        --time-limit) TIME_LIMIT="$2" ;;
        --) shift; break ;;
        *) die "unknown option $1 (see --help)" ;;
    esac
    shift 2
done
case "$GUEST_USER" in
    *[!a-z0-9_-]* | [!a-z_]* | "") die "no name for a user: $GUEST_USER" ;;
esac
[ "$ACTION" = build ] || [ $# -gt 0 ] || die "run needs a command after -- (see --help)"

IMAGE="$(image_name)"
prerequisites >&2
[ -d "$IMAGE" ] || make_image >&2
[ "$ACTION" = run ] || { echo "$IMAGE"; exit 0; }
# From here on a word of a list is a line: names of folders may have blanks.
IFS='
'
set -f
choose_accelerator >&2
run_guest "$@"
