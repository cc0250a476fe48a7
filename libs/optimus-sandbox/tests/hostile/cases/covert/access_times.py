import os, covert

FILE = "/tmp/read"


def times():
    return [os.stat(path).st_atime_ns for path in (covert.SHARED, os.path.dirname(covert.SHARED), "/usr", "/dev/null", "/bin/sh")]


def hold(ready):
    ready()
    while True:
        open(covert.SHARED).read()
        os.listdir(os.path.dirname(covert.SHARED))
        os.listdir("/usr")


def seek():
    before = times()
    for _ in covert.until(0.3):
        if times() != before:
            return True
    raise NotImplementedError("no access is noted down")


covert.channel(hold, seek)
