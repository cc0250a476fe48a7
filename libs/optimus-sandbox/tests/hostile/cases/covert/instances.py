import ctypes, os, covert

# The kernel counts those of a user over all processes, and gives out 128 by default.
MOST = 128
libc = ctypes.CDLL(None, use_errno=True)


def take():
    taken = 0
    while taken < MOST and libc.inotify_init() != -1:
        taken += 1
    return taken


def hold(ready):
    if take() == 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    ready()
    covert.forever()


def seek():
    return take() < MOST // 2


covert.channel(hold, seek)
