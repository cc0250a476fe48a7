import ctypes, os, covert

libc = ctypes.CDLL(None, use_errno=True)


def hold(ready):
    memory = libc.shm_open(b"/bit", os.O_CREAT | os.O_RDWR, 0o666)
    os.ftruncate(memory, 4096)
    libc.sem_open(b"/bit", os.O_CREAT, 0o666, 1)
    ready()
    covert.forever()


def seek():
    return libc.shm_open(b"/bit", os.O_RDWR, 0) != -1 or bool(libc.sem_open(b"/bit", 0))


covert.channel(hold, seek)
