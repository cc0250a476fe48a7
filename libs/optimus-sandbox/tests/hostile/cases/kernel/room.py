import hostile
import os

# Room for files, and for names of files, is what the language's resources say.
through = []
for place in ("/box", "/tmp", "/dev/shm"):
    room = os.statvfs(place)
    if not 0 < room.f_blocks * room.f_frsize <= 64 << 20:
        through.append(f"{place} has {room.f_blocks * room.f_frsize >> 20} MiB")
    if not 0 < room.f_files <= 16384:
        through.append(f"{place} has {room.f_files} inodes")
print(*through or ["withstood"], sep="\n")
