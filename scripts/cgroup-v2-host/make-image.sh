#!/bin/sh
# Makes what QEMU boots: FOLDER/disk, FOLDER/vmlinuz and FOLDER/initramfs. Run by ../cgroup-v2-host.sh in mount and
# process namespaces of its own, as root.
# Usage: make-image.sh FOLDER SUITE PACKAGE...
set -eu
folder="$1" suite="$2"
cp "$(dirname "$0")/initramfs.sh" "$folder/init"
shift 2
# debootstrap cannot work in a folder with blanks in its path. In this namespace alone, another path leads there.
mount --bind "$folder" /mnt
folder=/mnt
root="$folder/root"
export DEBIAN_FRONTEND=noninteractive

debootstrap --variant=minbase "$suite" "$root"
mount -t proc proc "$root/proc"
in_guest() { chroot "$root" env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
in_guest apt-get update
in_guest apt-get install -y --no-install-recommends busybox-static kmod "$@"

# Only the files of the kernel's package: its scripts would make a large initramfs that looks for every kind of disk.
# The general kernel, since the one for clouds cannot mount folders of the machine that QEMU runs on (9p).
kernel="$(in_guest apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)"
in_guest sh -c "cd /root && apt-get download '$kernel'"
dpkg-deb -x "$root/root/$kernel"_*.deb "$folder/kernel"
rm "$root/root/$kernel"_*.deb
mv "$folder"/kernel/boot/vmlinuz-* "$folder/vmlinuz"
mkdir -p "$root/usr/lib/modules"
mv "$folder"/kernel/*lib/modules/* "$root/usr/lib/modules/" 2>/dev/null ||
    mv "$folder"/kernel/usr/lib/modules/* "$root/usr/lib/modules/"
version="$(ls "$root/usr/lib/modules")"
# Most of the package's size, for hardware that no guest has.
(cd "$root/usr/lib/modules/$version/kernel" && rm -rf sound drivers/gpu drivers/media drivers/net/wireless drivers/staging)
in_guest depmod "$version"

# The modules between power-on and the disk, in the order in which they can be loaded.
initramfs="$root/root/initramfs"
mkdir -p "$initramfs/bin" "$initramfs/modules" "$initramfs/dev" "$initramfs/root"
cp "$root/bin/busybox" "$initramfs/bin/"
mv "$folder/init" "$initramfs/init"
chmod +x "$initramfs/init"
for module in virtio_pci virtio_blk virtio_console ext4 9p 9pnet_virtio; do
    in_guest modprobe --set-version "$version" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
    name="$(basename "$file")"
    case "$name" in
        *.xz) xz -dc "$root$file" >"$initramfs/modules/${name%.xz}" ;;
        *) cp "$root$file" "$initramfs/modules/$name" ;;
    esac
    echo "/modules/${name%.xz}" >>"$initramfs/modules/order"
done
in_guest sh -c 'cd /root/initramfs && find . | busybox cpio -o -H newc' | gzip -1 >"$folder/initramfs"

rm -rf "$initramfs" "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/*
umount "$root/proc"
mke2fs -q -t ext4 -O ^has_journal -d "$root" "$folder/disk" 12G
rm -rf "$root" "$folder/kernel"
