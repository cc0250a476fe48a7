#!/bin/sh
# Process 1 of the guest: what systemd sets up on a host with cgroup v2, as far as a program can tell, without the
# seconds it takes. Runs one command, tells its exit code, and restarts the machine, which ends QEMU.
#
# Cgroups, named as systemd names them. Of each, all above the last hand their controllers down, and the last is the
# command's own, delegated to it, with no controller handed further down yet:
#   /init.scope                                                      this shell, and what carries the output
#   /system.slice/command.service                                    a command of root's
#   /user.slice/user-1000.slice/user@1000.service/app.slice/command.scope   a user's; the user owns the last three
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# However this ends, the machine ends with it; without an exit code told, the caller knows that this failed.
trap 'echo b >/proc/sysrq-trigger' EXIT

mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t securityfs -o nosuid,nodev,noexec securityfs /sys/kernel/security
mount -t devtmpfs -o mode=0755,nosuid dev /dev
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o mode=620,ptmxmode=666,gid=5,nosuid,noexec devpts /dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev shm /dev/shm
mount -t mqueue -o nosuid,nodev,noexec mqueue /dev/mqueue
mount -t tmpfs -o mode=1777,nosuid,nodev tmp /tmp
mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
ln -sf /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin
ln -sf fd/1 /dev/stdout
ln -sf fd/2 /dev/stderr
mount --make-rshared /
busybox ip link set lo up
echo cgroup-v2-host >/proc/sys/kernel/hostname
echo "127.0.0.1 localhost cgroup-v2-host" >/etc/hosts
# A program that is killed for its memory says so on the console, which is slow; a panic says so all the same.
echo 3 >/proc/sys/kernel/printk
# What systemd raises over the kernel's own defaults.
echo 1 >/proc/sys/fs/protected_symlinks
echo 1 >/proc/sys/fs/protected_hardlinks
echo 4194304 >/proc/sys/kernel/pid_max
ulimit -Hn 524288

number=0
while read -r folder; do
    mkdir -p "$folder"
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,access=any,ro "share$number" "$folder"
    number=$((number + 1))
    # Where it lies in root's own folder there, an ordinary user gets to it all the same.
    while folder="$(dirname "$folder")" && [ "$folder" != / ]; do chmod a+x "$folder"; done
done </run/task/shares

hand_down() { # hand_down CGROUP CONTROLLER...
    cgroup="$1"
    shift
    for controller in "$@"; do
        echo "+$controller" >"$cgroup/cgroup.subtree_control"
    done
}
cgroups=/sys/fs/cgroup
mkdir "$cgroups/init.scope"
echo $$ >"$cgroups/init.scope/cgroup.procs"
# shellcheck disable=SC2046
hand_down "$cgroups" $(cat "$cgroups/cgroup.controllers")

read -r user </run/task/user
if [ "$user" = root ]; then
    uid=0 home=/root
    mine="$cgroups/system.slice/command.service"
    mkdir -p "$mine"
    # shellcheck disable=SC2046
    hand_down "$cgroups/system.slice" $(cat "$cgroups/cgroup.controllers")
else
    uid=1000 home="/home/$user"
    echo "$user:x:$uid:$uid::$home:/bin/sh" >>/etc/passwd
    echo "$user:x:$uid:" >>/etc/group
    echo "$user:100000:65536" | tee /etc/subuid >/etc/subgid
    install -d -o "$uid" -g "$uid" -m 700 "$home"
    slice="$cgroups/user.slice/user-$uid.slice"
    delegated="$slice/user@$uid.service"
    mine="$delegated/app.slice/command.scope"
    mkdir -p "$mine"
    for cgroup in "$cgroups/user.slice" "$slice" "$delegated" "$delegated/app.slice"; do
        hand_down "$cgroup" cpu io memory pids
    done
    # What systemd gives the user's manager, and below it what that manager made itself.
    chown "$uid:$uid" "$delegated" "$delegated/cgroup.procs" "$delegated/cgroup.threads" \
        "$delegated/cgroup.subtree_control"
    chown -R "$uid:$uid" "$delegated/app.slice"
fi
install -d -o "$uid" -g "$uid" -m 700 "/run/user/$uid"

port() { # port NAME: the device that QEMU gave this name, once the driver has heard of it
    tries=0
    while [ "$tries" -lt 1000 ]; do
        for port in /sys/class/virtio-ports/*; do
            [ "$(cat "$port/name" 2>/dev/null)" != "$1" ] || { echo "/dev/${port##*/}"; return; }
        done
        tries=$((tries + 1))
        sleep 0.01
    done
    return 1
}
out="$(port out)"
err="$(port err)"
exit_code="$(port exit)"

# Named, and the command's own, so that it can open /dev/stdout like any other pipe.
mkfifo -m 600 /run/out /run/err
chown "$uid" /run/out /run/err
cat /run/out >"$out" &
out=$!
cat /run/err >"$err" &
err=$!
(
    echo 0 >"$mine/cgroup.procs"
    cd "$(cat /run/task/folder)"
    exec setsid setpriv --reuid="$uid" --regid="$uid" --init-groups --inh-caps=-all \
        env -i PATH="$PATH" HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/sh LANG=C.UTF-8 \
        XDG_RUNTIME_DIR="/run/user/$uid" sh /run/task/command
) </dev/null >/run/out 2>/run/err &
code=0
wait $! || code=$?

# What the command left running may hold the pipes open, and has no one to write to any more.
for cgroup in "$cgroups"/*/; do
    [ "$cgroup" = "$cgroups/init.scope/" ] || echo 1 >"$cgroup/cgroup.kill"
done
wait "$out" "$err"
echo "$code" >"$exit_code"
