import fcntl, os, covert


def hold(ready):
    # Somebody who opens the file to write to it waits for this.
    fcntl.fcntl(os.open(covert.SHARED, os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK)
    ready()
    covert.forever()


def seek():
    return fcntl.fcntl(os.open(covert.SHARED, os.O_RDONLY), fcntl.F_GETLEASE) != fcntl.F_UNLCK


covert.channel(hold, seek)
