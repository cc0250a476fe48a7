import hostile
import os, signal

hit = []
for name in os.listdir("/proc"):
    if name.isdigit() and int(name) != os.getpid():
        for group in (int(name), -int(name)):
            try:
                os.kill(group, signal.SIGSTOP)
                hit.append(group)
            except OSError:
                pass
print("stopped", hit) if hit else print("withstood")
