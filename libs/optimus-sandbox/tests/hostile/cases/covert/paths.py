import os, socket, covert

PLACES = ("/tmp", "/box", "/dev/shm")


def hold(ready):
    for place in PLACES:
        open(f"{place}/file", "w").close()
        os.mkfifo(f"{place}/fifo")
        door = socket.socket(socket.AF_UNIX)
        door.bind(f"{place}/socket")
        door.listen()
    ready()
    covert.forever()


def seek():
    return any(os.path.exists(f"{place}/{kind}") for place in PLACES for kind in ("file", "fifo", "socket"))


covert.channel(hold, seek)
