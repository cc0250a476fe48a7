import hostile
import socket

through = []
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.1.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "0.0.0.0")):
    for port in (@HOST_PORT@, 22, 80, 443, 2375, 2376, 3000, 5432, 6379, 8080, 9090, 10250):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as stream:
                stream.settimeout(1)
                stream.connect((host, port))
                through.append(f"{host} {port}")
        except OSError:
            pass
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto(b"out", (host, @HOST_PORT@))
    except OSError:
        pass
print(*through or ["withstood"], sep="\n")
