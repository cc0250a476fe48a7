import hostile
import os, time

if not os.fork():
    os.setsid()
    if not os.fork():
        while True:
            try:
                open("/tmp/alive", "w").close()
            except OSError:
                pass
            time.sleep(0.001)
    os._exit(0)
while not os.path.exists("/tmp/alive"):
    time.sleep(0.001)
print("withstood")
