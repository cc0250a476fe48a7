#!/bin/busybox sh
# From the kernel to the disk: loads the drivers, mounts the disk and the task, and hands over to the task's init.sh.
# Anything that fails here ends process 1, which is a panic, which QEMU's caller reports with the console.
set -eu
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mkdir /proc
mount -t proc proc /proc
# Asked only whether a kernel comes up here.
case " $(cat /proc/cmdline) " in *" probe "*) reboot -f ;; esac
while read -r module; do
    # A second way to compute a checksum may be for another processor; what is truly needed is missed below.
    insmod "$module" || echo "not loaded: $module"
done </modules/order
tries=0
until [ -b /dev/vda ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 1000 ]
    sleep 0.01
done
# Its inode tables need no zeroing for a disk that is thrown away.
mount -t ext4 -o noinit_itable,noatime /dev/vda /root
mount -t tmpfs -o mode=0755,nosuid,nodev run /root/run
mkdir /root/run/task
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,ro task /root/run/task
umount /dev /proc
exec switch_root /root /bin/sh /run/task/init.sh
