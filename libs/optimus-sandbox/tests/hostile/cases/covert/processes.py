import ctypes, os, covert

libc = ctypes.CDLL(None)
NAME = b"bit-3333"


def hold(ready):
    # Both by name and by number.
    libc.prctl(15, NAME)
    for _ in range(20):
        if not os.fork():
            covert.forever()
    ready()
    covert.forever()


def seek():
    for process in range(2, 500):
        try:
            if process != os.getpid() and open(f"/proc/{process}/comm", "rb").read().strip() == NAME:
                return True
        except OSError:
            pass


covert.channel(hold, seek)
