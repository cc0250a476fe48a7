import ctypes, os, resource, signal, covert

# The kernel counts pending signals of a user over all processes.
libc = ctypes.CDLL(None, use_errno=True)
libc.sigqueue.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
MOST = min(resource.getrlimit(resource.RLIMIT_SIGPENDING)[0], 200_000)


def queue():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
    queued = 0
    while queued <= MOST and libc.sigqueue(os.getpid(), signal.SIGRTMIN, None) == 0:
        queued += 1
    return queued


def hold(ready):
    if queue() == 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    ready()
    covert.forever()


def seek():
    return queue() < MOST // 2


covert.channel(hold, seek)
