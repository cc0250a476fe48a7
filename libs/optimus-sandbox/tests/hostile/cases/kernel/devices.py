import hostile
import os, stat

# Memory, the first disks, a terminal, FUSE, KVM: by nodes of its own, and by those that may lie about.
through = []
for folder in ("/tmp", "/box", "/dev/shm", "/dev"):
    for kind, major, minor in ((stat.S_IFCHR, 1, 1), (stat.S_IFBLK, 8, 0), (stat.S_IFBLK, 254, 0), (stat.S_IFCHR, 10, 229)):
        try:
            os.mknod(f"{folder}/node", 0o666 | kind, os.makedev(major, minor))
            through.append(f"made {folder}/node {major}:{minor}")
        except OSError:
            pass
harmless = {"null", "zero", "full", "random", "urandom", "tty", "ptmx"}
for folder, _, names in os.walk("/dev"):
    for name in names:
        path = os.path.join(folder, name)
        try:
            node = os.lstat(path)
        except OSError:
            continue
        if (stat.S_ISBLK(node.st_mode) or stat.S_ISCHR(node.st_mode)) and name not in harmless and folder != "/dev/pts":
            through.append(path)
for path in ("/dev/mem", "/dev/kmem", "/dev/kmsg", "/dev/port", "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/dev/sda", "/dev/vda"):
    try:
        os.open(path, os.O_RDWR)
        through.append(path)
    except OSError:
        pass
print(*through or ["withstood"], sep="\n")
