import hostile
import os

# Room for files, and for names of files, is what the language's resources say. A container's file systems are made once, so
# that there a run has the room of the compile step in two of them.
DISK, COMPILE_MEMORY = 64 << 20, 512 << 20
in_container = os.path.exists("/.dockerenv")
through = []
for place in ("/box", "/tmp", "/dev/shm"):
    room = os.statvfs(place)
    most = COMPILE_MEMORY if in_container and place != "/dev/shm" else DISK
    if not 0 < room.f_blocks * room.f_frsize <= most:
        through.append(f"{place} has {room.f_blocks * room.f_frsize >> 20} MiB")
    # What lies in the work directory has a place there each, to be mounted at.
    if not 0 < room.f_files <= 16384 + len(os.listdir(place)):
        through.append(f"{place} has {room.f_files} inodes")
print(*through or ["withstood"], sep="\n")
