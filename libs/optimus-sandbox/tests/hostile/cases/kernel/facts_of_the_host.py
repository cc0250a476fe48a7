import hostile

# What tells one host from another, and counts what others do there.
FILES = """buddyinfo cmdline config.gz consoles crypto diskstats interrupts kallsyms modules pagetypeinfo partitions pressure/cpu
    pressure/io pressure/irq pressure/memory schedstat slabinfo softirqs sys/kernel/random/boot_id timer_list vmallocinfo vmstat
    zoneinfo"""

told = []
for file in FILES.split():
    try:
        with open(f"/proc/{file}", "rb") as opened:
            if opened.read(64):
                told.append(file)
    except OSError:
        pass

# What programs need is there.
for needed in ("cpuinfo", "meminfo", "stat", "loadavg", "uptime", "filesystems", "self/maps", "self/mountinfo", "self/status", "sys/vm/overcommit_memory"):
    with open(f"/proc/{needed}", "rb") as opened:
        if not opened.read(1):
            told.append(f"nothing in {needed}")
print("told by", *told) if told else print("withstood")
