import ctypes, os, covert

# The kernel counts the namespaces of a user, and each is seen by its number.
libc = ctypes.CDLL(None, use_errno=True)
NEWUSER = 0x10000000


def make():
    if libc.unshare(NEWUSER) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(os.readlink("/proc/self/ns/user").strip("user:[]"))


def hold(ready):
    make()
    ready()
    covert.forever()


def seek():
    # Numbers are given out one after the other.
    return make() > 0


covert.channel(hold, seek)
