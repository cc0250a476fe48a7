import ctypes, os, covert

libc = ctypes.CDLL(None, use_errno=True)


def hold(ready):
    if libc.mq_open(b"/bit", os.O_CREAT | os.O_RDWR, 0o666, None) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    ready()
    covert.forever()


def seek():
    return libc.mq_open(b"/bit", os.O_RDWR) != -1


covert.channel(hold, seek)
