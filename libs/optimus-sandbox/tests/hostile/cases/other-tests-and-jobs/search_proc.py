import hostile
import os, re

pattern = re.compile(rb"canary-[0-9a-f]{32}")
names = ("environ", "cmdline", "comm", "maps", "io", "stack", "syscall", "wchan", "auxv", "fdinfo", "mountinfo", "cgroup", "status")
for process in os.listdir("/proc"):
    if not process.isdigit() or int(process) == os.getpid():
        continue
    for name in names:
        try:
            with open(f"/proc/{process}/{name}", "rb") as file:
                if found := pattern.findall(file.read(1 << 20)):
                    print(process, name, found)
        except OSError:
            pass
    for folder in ("fd", "map_files", "task", "root", "cwd"):
        try:
            for entry in os.listdir(f"/proc/{process}/{folder}"):
                if folder == "fd":
                    print(process, entry, os.readlink(f"/proc/{process}/fd/{entry}"))
        except OSError:
            pass
for name in ("/proc/cmdline", "/proc/keys", "/proc/locks", "/proc/kallsyms", "/proc/sched_debug", "/proc/net/unix"):
    try:
        with open(name, "rb") as file:
            if pattern.search(file.read(1 << 20)):
                print(name)
    except OSError:
        pass
print("withstood")
