import fcntl, os, struct, covert

OFD_GETLK, OFD_SETLK = 36, 37


def lock(kind):
    return struct.pack("hhqqi", kind, os.SEEK_SET, 0, 1, 0)


def hold(ready):
    file = open(covert.SHARED)
    fcntl.fcntl(file, OFD_SETLK, lock(fcntl.F_RDLCK))
    fcntl.fcntl(file, fcntl.F_SETLK, lock(fcntl.F_RDLCK))
    ready()
    covert.forever()


def seek():
    file = open(covert.SHARED)
    return any(
        struct.unpack("hhqqi", fcntl.fcntl(file, ask, lock(fcntl.F_WRLCK)))[0] != fcntl.F_UNLCK
        for ask in (OFD_GETLK, fcntl.F_GETLK)
    )


covert.channel(hold, seek)
