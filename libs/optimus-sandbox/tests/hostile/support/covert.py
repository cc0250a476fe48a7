"""Comes along with every program of the covert channels: what is asked for, by whom, and what came of it.

A channel is two functions. `hold` does whatever another process might notice, and goes on doing it; `seek` tells whether
it notices. The program is told to hold, to seek, or to do both: in one box, where it should notice.
"""
import os
import sys
import time

# A file of the toolchain that both boxes see.
SHARED = os.__file__


def forever():
    time.sleep(3333)


def until(seconds):
    """Until so much time has passed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


def _hold(hold):
    def ready():
        os.write(1, b"holding\n")

    try:
        hold(ready)
    except (OSError, NotImplementedError) as error:
        os.write(1, f"refused: {error}\n".encode())
    forever()


def _seek(seek):
    try:
        print("seen" if seek() else "nothing")
    except (OSError, NotImplementedError) as error:
        print("refused:", error)


def _both(hold, seek):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 1)
        _hold(hold)
    told = os.read(reading, 100).decode()
    if told.startswith("refused"):
        print(told, end="")
    else:
        _seek(seek)
    sys.stdout.flush()
    os.kill(child, 9)


def channel(hold, seek):
    asked = sys.stdin.readline().strip()
    if asked == "hold":
        _hold(hold)
    elif asked == "seek":
        _seek(seek)
    else:
        _both(hold, seek)
