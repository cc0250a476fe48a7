import hostile
import os

places = ["/box", "/tmp", "/dev/shm", "/dev/mqueue", "/var/tmp", "/run", "/run/lock", "/var/lock", "/", "/root", "/home", "/mnt", "/var/cache",
          os.path.expanduser("~"), "/dev", "/optimus", "/run/user", "/var/run", "/usr/tmp", "/var/spool", "/run/shm"]
if hostile.number == 1:
    for place in places:
        for name in ("mine", ".mine"):
            try:
                with open(f"{place}/{name}", "w") as file:
                    file.write("the answer is 42")
            except OSError:
                pass
else:
    for place in places:
        for name in ("mine", ".mine"):
            if os.path.lexists(f"{place}/{name}"):
                print("found", place, name)
print("withstood")
