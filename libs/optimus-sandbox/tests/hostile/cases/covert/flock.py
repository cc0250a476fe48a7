import fcntl, covert

file = open(covert.SHARED)


def hold(ready):
    fcntl.flock(file, fcntl.LOCK_EX)
    ready()
    covert.forever()


def seek():
    try:
        fcntl.flock(open(covert.SHARED), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True


covert.channel(hold, seek)
