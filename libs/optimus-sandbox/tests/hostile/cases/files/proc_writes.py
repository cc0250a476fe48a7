import hostile
import glob, os, stat

targets = ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory",
           "/proc/sys/vm/drop_caches", "/proc/sys/kernel/modprobe", "/proc/sys/fs/file-max", "/proc/sys/kernel/pid_max",
           "/proc/sys/kernel/ns_last_pid", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/user/max_user_namespaces",
           "/proc/1/oom_score_adj", "/proc/1/comm", "/proc/1/mem", "/proc/1/uid_map", "/proc/self/uid_map",
           "/proc/self/setgroups", "/proc/irq/default_smp_affinity", "/proc/bus/pci/devices", "/proc/timer_list",
           "/proc/kcore", "/proc/keys", "/proc/acpi/wakeup", "/proc/mtrr", "/proc/self/attr/current", "/proc/self/timerslack_ns"]
targets += glob.glob("/proc/sys/*/*")
for target in targets:
    if target == "/proc/self/timerslack_ns":
        continue
    try:
        file = os.open(target, os.O_WRONLY)
    except OSError:
        continue
    # An engine covers some of them with its own /dev/null.
    if stat.S_ISCHR(os.fstat(file).st_mode):
        continue
    try:
        os.write(file, b"1")
        print("written to:", target)
    except OSError:
        pass
print("withstood")
