import hostile
import errno, socket

# No route, no address, or no IPv6 at all.
closed = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL, errno.ENODEV}
through = []
for host, scope in (("2001:4860:4860::8888", 0), ("fd00::1", 0), ("fe80::1", 2), ("ff02::1", 2), ("ff02::1", 0), ("64:ff9b::808:808", 0)):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(socket.AF_INET6, kind) as out:
                out.setblocking(False)
                out.connect((host, 80, 0, scope))
                out.send(b"out")
                through.append(host)
        except OSError as error:
            if error.errno not in closed:
                through.append(f"{host} {error}")
print(*through or ["withstood"], sep="\n")
