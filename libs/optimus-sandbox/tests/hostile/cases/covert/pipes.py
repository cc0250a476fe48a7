import fcntl, os, covert

# The kernel counts the pages of a user's pipes, and gives out 64 MiB of them before it becomes mean.
SET_SIZE = 1031


def grow():
    grown = 0
    while grown < 80:
        reading, _ = os.pipe()
        try:
            fcntl.fcntl(reading, SET_SIZE, 1 << 20)
        except PermissionError:
            break
        grown += 1
    return grown


def hold(ready):
    grow()
    ready()
    covert.forever()


def seek():
    return grow() < 16


covert.channel(hold, seek)
