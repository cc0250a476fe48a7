import hostile
import os, signal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for place in ("/box", "/tmp", "/dev/shm"):
    file = os.open(f"{place}/sparse", os.O_CREAT | os.O_RDWR)
    try:
        os.truncate(file, 1 << 40)
        print("a terabyte in", place)
    except OSError:
        pass
print("withstood")
