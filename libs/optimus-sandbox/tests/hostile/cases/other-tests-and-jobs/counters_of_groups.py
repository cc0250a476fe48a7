import hostile
import os

# What is the same in all tests of a job, whatever they do: limits, by both versions of control groups.
LIMITS = """cgroup.controllers cpu.cfs_period_us cpu.cfs_quota_us cpu.max cpu.shares cpu.weight cpuset.cpus cpuset.cpus.effective
    cpuset.effective_cpus memory.high memory.limit_in_bytes memory.max memory.memsw.limit_in_bytes memory.soft_limit_in_bytes
    memory.swap.max memory.use_hierarchy pids.max""".split()
# By these a runtime in a container knows how much it may use.
NEEDED = [("cpu.max", "memory.max"), ("cpu.cfs_quota_us", "cpu.cfs_period_us", "memory.limit_in_bytes")]

# A note for the next test, in memory.max_usage_in_bytes or memory.peak, and in whatever else counts.
note = bytearray(16 << 20)
told, limits = [], set()
for folder, _, names in os.walk("/sys"):
    for name in names:
        path = os.path.join(folder, name)
        try:
            with open(path, "rb") as file:
                says = file.read(4096)
        except OSError:
            continue
        if name in LIMITS and folder.startswith("/sys/fs/cgroup"):
            limits.add(name)
        elif says:
            told.append(f"{path}: {says[:32]}")
# What leads there by another way.
for way in ("/proc/self/root/sys/fs/cgroup", "/proc/thread-self/cwd/../sys/fs/cgroup"):
    for name in ("memory/memory.max_usage_in_bytes", "cpuacct/cpuacct.usage", "memory.peak", "cpu.stat"):
        try:
            told.append(f"{way}/{name}: {open(f'{way}/{name}').read(32)}")
        except OSError:
            pass
if os.path.exists("/.dockerenv") and not any(limits.issuperset(needed) for needed in NEEDED):
    told.append(f"no limits but {sorted(limits)}")
print("told by", *told[:8]) if told else print("withstood")
