import hostile
import os

worker = "/proc/@WORKER_PID@"
for name in ("environ", "cmdline", "root", "cwd", "fd", "status", "exe", "ns/net"):
    path = f"{worker}/{name}"
    try:
        print(path, open(path, "rb").read() if os.path.isfile(path) else os.listdir(path))
    except OSError:
        pass
if os.path.exists(worker) and int("@WORKER_PID@") != os.getpid():
    print("it is there")
print("withstood")
