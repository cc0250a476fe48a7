import fcntl
import hostile
import os
import time

PLACES = [__file__, hostile.__file__, "/box", "/tmp", "/usr/bin/env", "/dev/null", os.__file__]


def lock(place, how):
    """The descriptor, which holds the lock."""
    opened = os.open(place, os.O_RDONLY)
    fcntl.flock(opened, how)
    return opened


if hostile.number == 1:
    reading, writing = os.pipe()
    if not os.fork():
        os.setsid()
        held = [lock(place, fcntl.LOCK_EX | fcntl.LOCK_NB) for place in PLACES]
        if not os.fork():
            # Whoever wants one waits behind those that are held, and holds it once they are gone.
            for place in PLACES:
                if not os.fork():
                    lock(place, fcntl.LOCK_EX)
                    time.sleep(1000)
            time.sleep(1000)
        os.write(writing, b"held")
        os.close(1)
        time.sleep(1000)
    os.close(writing)
    os.read(reading, 4)
else:
    for place in PLACES:
        try:
            lock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            print("locked:", place, error)
print("withstood")
