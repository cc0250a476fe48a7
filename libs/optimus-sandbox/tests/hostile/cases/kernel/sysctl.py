import hostile
import os, stat

# Everything below /proc that is not of this process, and all of /sys: written with what it says already.
through = []
for top in ("/proc/sys", "/sys", "/proc"):
    for folder, folders, names in os.walk(top):
        if top == "/proc":
            folders[:] = [name for name in folders if not name.isdigit() and name not in ("self", "thread-self", "sys")]
        for name in names:
            path = os.path.join(folder, name)
            try:
                # An engine has put /dev/null over some.
                if stat.S_ISCHR(os.stat(path).st_mode):
                    continue
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                through.append(path)
            except OSError:
                pass
for path in ("/proc/kcore", "/proc/kallsyms", "/proc/kmsg", "/proc/keys", "/proc/vmallocinfo", "/proc/slabinfo"):
    try:
        with open(path, "rb") as file:
            head = file.read(64)
        if path != "/proc/kallsyms" and head or head.strip(b"0") != head and not head.startswith(b"0000000000000000"):
            through.append(path)
    except OSError:
        pass
print(*through or ["withstood"], sep="\n")
