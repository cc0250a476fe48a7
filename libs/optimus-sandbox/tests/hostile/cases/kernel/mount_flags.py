import hostile
import os

# What is writable is known, and nothing has setuid programs or, beside /dev, device nodes.
writable = {"/box", "/tmp", "/dev/shm", "/proc", "/run/optimus", "/dev", "/dev/pts", "/dev/mqueue"}
# The agent's own.
writable.add("/run/users")
# An engine's own, with nothing in it but read-only mounts.
writable.add("/sys/fs/cgroup")
through = []
for line in open("/proc/self/mountinfo"):
    place, options = line.split()[4:6]
    options = options.split(",")
    if "ro" not in options and place not in writable and not place.startswith("/proc/"):
        through.append(f"{place} is writable")
    if place.startswith("/run/") and os.access(place, os.W_OK):
        through.append(f"{place} is writable for guests")
    if place in ("/box", "/tmp", "/dev/shm") and not {"nosuid", "nodev"} <= set(options):
        through.append(f"{place} has no nosuid or nodev")
print(*through or ["withstood"], sep="\n")
