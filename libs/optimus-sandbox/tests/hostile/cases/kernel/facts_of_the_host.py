import hostile
import os

# All that a program may see of /proc beside processes. What a newer kernel shows beside that is covered too.
SHOWN = """cpuinfo dma execdomains filesystems key-users keys loadavg meminfo mounts net self stat sys sysvipc thread-self
    uptime version""".split()
SETTINGS = """fs/file-max fs/inotify/max_queued_events fs/inotify/max_user_instances fs/inotify/max_user_watches fs/nr_open
    fs/pipe-max-size kernel/cap_last_cap kernel/domainname kernel/hostname kernel/msgmax kernel/msgmnb kernel/msgmni
    kernel/ngroups_max kernel/osrelease kernel/ostype kernel/overflowgid kernel/overflowuid kernel/perf_event_paranoid
    kernel/pid_max kernel/random/uuid kernel/randomize_va_space kernel/sem kernel/shmall kernel/shmmax kernel/shmmni
    kernel/threads-max kernel/version kernel/yama/ptrace_scope net/core/rmem_default net/core/rmem_max net/core/somaxconn
    net/core/wmem_default net/core/wmem_max net/ipv4/ip_local_port_range net/ipv4/tcp_rmem net/ipv4/tcp_wmem
    net/ipv6/bindv6only net/ipv6/conf/all/disable_ipv6 vm/max_map_count vm/mmap_min_addr vm/overcommit_memory
    vm/overcommit_ratio""".split()
# What a container cannot be shown in part.
COUNTERS = """sys/fs/aio-nr sys/fs/dentry-state sys/fs/file-nr sys/fs/inode-nr sys/fs/inode-state sys/kernel/core_pattern
    sys/kernel/random/boot_id sys/kernel/random/entropy_avail""".split()
# Of the own network. A container cannot be shown a part of it.
OF_NETWORKS = """arp dev if_inet6 ipv6_route netstat raw raw6 route rt6_stats snmp snmp6 tcp tcp6 udp udp6 udplite udplite6
    unix""".split()
in_container = os.path.exists("/.dockerenv")
if in_container:
    # The JVM asks it for containers.
    SHOWN.append("cgroups")

told = []


def tells(path):
    try:
        if os.path.isdir(path):
            return bool(os.listdir(path))
        with open(path, "rb") as opened:
            return bool(opened.read(64))
    except OSError:
        return False


for name in os.listdir("/proc"):
    if not name.isdigit() and name not in SHOWN and tells(f"/proc/{name}"):
        told.append(name)
if in_container:
    told += [name for name in COUNTERS if tells(f"/proc/{name}")]
    # Control groups are there alone.
    for folder, shown in (("/sys", "fs"), ("/sys/fs", "cgroup")):
        told += [f"{folder}/{name}" for name in os.listdir(folder) if name != shown and tells(f"{folder}/{name}")]
else:
    for folder, _, files in os.walk("/proc/sys"):
        settings = [os.path.relpath(f"{folder}/{file}", "/proc/sys") for file in files]
        told += [f"sys/{name}" for name in settings if name not in SETTINGS]
    told += [f"net/{name}" for name in os.listdir("/proc/net") if name not in OF_NETWORKS and tells(f"/proc/net/{name}")]
    if open("/proc/sys/kernel/hostname").read() != "box\n":
        told.append("the host's name")
    if os.path.exists("/sys"):
        told.append("/sys")

# What programs need is there.
for needed in ("cpuinfo", "meminfo", "stat", "loadavg", "uptime", "filesystems", "version", "self/maps", "self/mountinfo",
               "self/status", "net/tcp", "net/dev", "mounts", "sys/vm/overcommit_memory", "sys/kernel/osrelease", "sys/net/core/somaxconn"):
    if not tells(f"/proc/{needed}"):
        told.append(f"nothing in {needed}")
if open("/proc/sys/kernel/random/uuid").read() == open("/proc/sys/kernel/random/uuid").read():
    told.append("the same random name twice")
print("told by", *told) if told else print("withstood")
