"""Comes along with every program of the covert channels: what is asked for, by whom, and what came of it.

A channel is two functions. `hold` does whatever another process might notice, and goes on doing it; `seek` tells whether
it notices. The program is told to hold, to seek, or to do both: in one box, where it should notice.
"""
import os
import random
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


# Bits are sent in rounds that both sides know by the clock. The sender has a part of each, and the receiver looks before and after.
ROUND = 0.05
BEGIN, SENT, END = 0.15, 0.6, 0.8


def bit(number):
    """As many of both kinds, in an order that both sides know and nobody guesses: the second of two is not the first one."""
    return random.Random(number // 2).getrandbits(1) ^ (number & 1)


def rounds():
    """Numbers of rounds, each when it begins. Who is late misses some."""
    number = int(time.time() / ROUND)
    while True:
        number = max(number + 1, int(time.time() / ROUND))
        wait(number, 0)
        yield number


def wait(number, part):
    time.sleep(max(0, (number + part) * ROUND - time.time()))


def sending(act):
    """Does something again and again in the sender's part of each round whose bit is set."""
    for number in rounds():
        wait(number, BEGIN)
        while bit(number) and time.time() < (number + SENT) * ROUND:
            act()


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
