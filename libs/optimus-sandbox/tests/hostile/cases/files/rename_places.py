import hostile
import os

for place in ("/tmp", "/box", "/dev/shm", "/dev", "/proc", "/usr"):
    for attempt in (lambda: os.rename(place, place + "2"), lambda: os.rmdir(place), lambda: os.symlink("/", place),
                    lambda: os.chmod(place, 0), lambda: os.chown(place, os.getuid(), os.getgid())):
        try:
            attempt()
            print("changed:", place)
        except OSError:
            pass
print("withstood")
