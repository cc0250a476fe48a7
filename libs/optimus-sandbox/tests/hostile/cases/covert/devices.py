import fcntl, covert

DEVICES = [open(f"/dev/{name}") for name in ("null", "zero", "full", "random", "urandom")]


def hold(ready):
    for device in DEVICES:
        fcntl.flock(device, fcntl.LOCK_EX)
    ready()
    covert.forever()


def seek():
    for device in DEVICES:
        try:
            fcntl.flock(open(device.name), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True


covert.channel(hold, seek)
