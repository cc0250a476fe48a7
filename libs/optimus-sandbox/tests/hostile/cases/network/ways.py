import hostile
import os
import socket

# The kernel keeps a way for each CPU on which a socket of the second family was connected, though nothing was sent: a bit
# for each of them that the next run can read.


def ways_of_cpus():
    try:
        with open("/proc/self/net/rt6_stats") as file:
            return int(file.read().split()[2], 16)
    except OSError:
        # A kernel without IPv6, or a box that does not show it.
        return 0


before = ways_of_cpus()
print(f"another run has connected on {before} CPUs" if before else "withstood")

for cpu in os.sched_getaffinity(0):
    os.sched_setaffinity(0, [cpu])
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect(("::1", 9))
    except OSError:
        pass
