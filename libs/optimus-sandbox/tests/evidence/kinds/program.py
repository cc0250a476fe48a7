"""Uses memory in the way that the first word of its input names, and then waits as many milliseconds as the second one says."""

import os
import sys
import threading
import time

MIB = 1 << 20


def write_file(path, size):
    with open(path, "wb") as file:
        for _ in range(size >> 16):
            file.write(bytes(1 << 16))


def deeper(depth):
    return 0 if depth == 0 else deeper(depth - 1) + 1


def children():
    ready, tell = os.pipe()
    wait, go = os.pipe()
    for _ in range(4):
        if os.fork() == 0:
            os.close(go)
            part = b"x" * (2 * MIB)
            os.write(tell, b"x")
            os.read(wait, 1)
            os._exit(len(part) == 0)
    for _ in range(4):
        os.read(ready, 1)
    time.sleep(0.03)
    os.close(go)
    for _ in range(4):
        os.wait()


def threads():
    parts = []
    made = [threading.Thread(target=lambda: parts.append(b"x" * (2 * MIB))) for _ in range(4)]
    for one in made:
        one.start()
    for one in made:
        one.join()


kind, hold = sys.stdin.buffer.readline().decode().split()
if kind == "nothing":
    pass
elif kind == "hello":
    print("hello")
elif kind == "array":
    kept = bytearray(b"x" * (20 * MIB))
elif kind == "small":
    kept = [[i] for i in range(100_000)]
elif kind == "strings":
    kept = {str(i): i for i in range(100_000)}
elif kind == "threads":
    threads()
elif kind == "children":
    children()
elif kind == "file":
    write_file("/dev/shm/file", 8 * MIB)
elif kind == "recursion":
    deeper(900)
elif kind == "output":
    for _ in range(8 * MIB >> 6):
        print("1" * 63)
elif kind == "input":
    kept = sys.stdin.buffer.read()
    assert len(kept) == 8 * MIB
elif kind == "fill":
    write_file("/tmp/fill", 48 * MIB)
    write_file("/dev/shm/fill", 48 * MIB)
else:
    sys.exit(95)
sys.stdout.flush()
time.sleep(int(hold) / 1000)
