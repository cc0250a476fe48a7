import ctypes, os, select, covert

ACCESS, OPEN = 1, 32
libc = ctypes.CDLL(None, use_errno=True)


def hold(ready):
    ready()
    while True:
        open(covert.SHARED).read(1)


def seek():
    watch = libc.inotify_init()
    for path in (covert.SHARED, os.path.dirname(covert.SHARED), "/", "/usr", "/tmp", "/dev/null"):
        libc.inotify_add_watch(watch, path.encode(), ACCESS | OPEN)
    return bool(select.select([watch], [], [], 0.3)[0])


covert.channel(hold, seek)
