import ctypes, glob, mmap, os, covert

# What nothing else reads meanwhile.
FILE = max(glob.glob(os.path.dirname(covert.SHARED) + "/*/topics.py") or [covert.SHARED], key=os.path.getsize)
NOWAIT = 8
libc = ctypes.CDLL(None, use_errno=True)


def evict(file):
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def is_cached(file):
    return os.preadv(file, [bytearray(1)], os.path.getsize(FILE) // 2, NOWAIT) == 1


def hold(ready):
    file = os.open(FILE, os.O_RDONLY)
    ready()
    while True:
        evict(file)


def seek():
    file = os.open(FILE, os.O_RDONLY)
    os.read(file, 1 << 24)
    for _ in covert.until(0.3):
        try:
            if not is_cached(file):
                return True
        except BlockingIOError:
            return True


covert.channel(hold, seek)
