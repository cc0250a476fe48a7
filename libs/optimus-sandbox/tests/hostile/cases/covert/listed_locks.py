import fcntl, os, tempfile, covert

LOCKS = 200


def locked():
    file = tempfile.TemporaryFile()
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def hold(ready):
    kept = [locked() for _ in range(LOCKS)]
    ready()
    covert.forever()
    del kept


def seek():
    # Those of others are left out, but counted.
    own = locked()
    with open("/proc/locks") as listed:
        numbers = [int(line.split(":")[0]) for line in listed]
    own.close()
    if not numbers:
        raise NotImplementedError("no locks are listed")
    return max(numbers) >= LOCKS


covert.channel(hold, seek)
