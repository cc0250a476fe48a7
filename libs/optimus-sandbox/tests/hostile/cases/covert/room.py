import os, covert

PLACES = ("/tmp", "/box", "/dev/shm")


def used():
    return [(room.f_blocks - room.f_bfree, room.f_files - room.f_ffree) for room in map(os.statvfs, PLACES)]


def hold(ready):
    for place in PLACES:
        with open(f"{place}/much", "wb") as file:
            file.write(bytes(8 << 20))
        for number in range(500):
            open(f"{place}/{number}", "w").close()
    ready()
    covert.forever()


def seek():
    return any(blocks > 1024 or files > 400 for blocks, files in used())


covert.channel(hold, seek)
