import hostile
import socket

TIME_WAIT = "06"

with open("/proc/net/tcp") as table:
    left = [line for line in list(table)[1:] if line.split()[3] == TIME_WAIT]
server = socket.create_server(("127.0.0.1", 0))
for last in range(1, 100):
    client = socket.socket()
    client.bind((f"127.7.7.{last}", 0))
    client.connect(server.getsockname())
    server.accept()[0].close()
    client.close()
print(f"{len(left)} connections of the last test" if left else "withstood")
