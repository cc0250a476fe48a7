import hostile
import socket

# What tools for networks are made of: names of interfaces, routes, and a long record of faults of the kernel.
try:
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    print("a netlink socket")
except OSError:
    print("withstood")
