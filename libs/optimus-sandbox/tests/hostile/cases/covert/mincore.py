import ctypes, glob, mmap, os, covert

FILE = max(glob.glob(os.path.dirname(covert.SHARED) + "/*/topics.py") or [covert.SHARED], key=os.path.getsize)
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p


def hold(ready):
    file = os.open(FILE, os.O_RDONLY)
    ready()
    while True:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def seek():
    file = os.open(FILE, os.O_RDONLY)
    pages = os.path.getsize(FILE) // 4096
    address = libc.mmap(None, ctypes.c_size_t(pages * 4096), mmap.PROT_READ, mmap.MAP_SHARED, file, ctypes.c_long(0))
    resident = (ctypes.c_ubyte * pages)()
    for _ in covert.until(0.3):
        if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(pages * 4096), resident) == 0 and not all(resident):
            return True
    # Linux says so of every page of a file that one may not write to.
    raise NotImplementedError("all pages seem to be there")


covert.channel(hold, seek)
