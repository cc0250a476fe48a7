#!/bin/sh
# Makes what a container engine would make of an image, and becomes the agent in it: as a container does, or, where a
# command to enter it is given, as that does.
# Usage: box.sh ROOT AGENT RUNNER_SH CGROUPS [COMMAND...]
set -eu
root=$1 agent=$2 runner=$3 cgroups=$4
shift 4

mount -t tmpfs -o mode=0755 root "$root"
cd "$root"
mkdir -p usr etc proc dev tmp box run/optimus run/users optimus
for name in bin sbin lib lib32 lib64 libx32; do
    [ ! -L "/$name" ] || ln -s "$(readlink "/$name")" "$name"
done
for name in usr etc; do
    mount --bind "/$name" "$name"
    mount -o remount,bind,ro,nosuid "$name"
done
mount -t proc proc proc
if [ $# -eq 0 ]; then
    mkdir -p sys/fs/cgroup
    mount --rbind "$cgroups" sys/fs/cgroup
fi

mount -t tmpfs -o mode=0755,nosuid dev dev
mkdir dev/shm
for name in null zero full random urandom; do
    : > "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
for name in tmp box dev/shm; do
    mount -t tmpfs -o mode=1777,nosuid,nodev,size=96m,nr_inodes=60000 tmpfs "$name"
done
mount -t tmpfs -o mode=0700,nosuid,nodev,noexec,size=4m tmpfs run/optimus
# Where an image's links lead to.
mount -t tmpfs -o mode=0755,nosuid,nodev,noexec,size=256k tmpfs run/users
for name in passwd group; do
    cp "/etc/$name" run/users/
    mount --bind "run/users/$name" "etc/$name"
done

cp "$agent" optimus/optimus-runner
cp "$runner" optimus/runner.sh
echo "box 1.0" > optimus/toolchain
mount -o remount,bind,ro "$root"

if [ $# -gt 0 ]; then
    chown "$OPTIMUS_TEST_OWNER" "$root/run/optimus"
    exec "$@" "$root"
fi
exec chroot "$root" /usr/bin/setpriv --bounding-set=-all,+setuid,+setgid,+kill --inh-caps=-all --no-new-privs \
    /optimus/runner.sh
