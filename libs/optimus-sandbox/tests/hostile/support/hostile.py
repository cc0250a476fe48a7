"""Comes along with every hostile program in Python: reads what is asked for and does all but the attack."""
import os
import sys

_line = b""
while not _line.endswith(b"\n") and (_byte := os.read(0, 1)):
    _line += _byte
_words = _line.decode().split()


def _spoiled(what):
    print("spoiled:", what)
    sys.exit()


def _look_around():
    for place in ("/box", "/tmp", "/dev/shm", "/proc"):
        for name in os.listdir(place):
            try:
                owner = os.lstat(f"{place}/{name}").st_uid
            except FileNotFoundError:
                continue
            if owner == os.getuid() and name not in (str(os.getpid()), "self", "thread-self"):
                _spoiled(f"there is already {place}/{name}")
        if place != "/proc":
            with open(f"{place}/honest", "xb") as file:
                file.write(bytes(1 << 20))
            os.unlink(f"{place}/honest")
    if sorted(map(int, os.listdir("/proc/self/fd")))[:3] != [0, 1, 2]:
        _spoiled("a standard stream is closed")
    for _ in range(4):
        if not os.fork():
            os._exit(0)
    for _ in range(4):
        os.wait()


if _words[0] == "answer":
    sys.exit()
if _words[0] == "honest":
    _look_around()
    print("honest", _words[1])
    sys.exit()
number = int(_words[1])
