import ctypes, os, platform, covert

libc = ctypes.CDLL(None, use_errno=True)
ADD, REQUEST = (248, 249) if platform.machine() == "x86_64" else (217, 218)
USER_SESSION, SESSION = -5, -3


def hold(ready):
    if libc.syscall(ADD, b"user", b"bit", b"1", 1, USER_SESSION) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    ready()
    covert.forever()


def seek():
    return libc.syscall(REQUEST, b"user", b"bit", None, SESSION) != -1


covert.channel(hold, seek)
