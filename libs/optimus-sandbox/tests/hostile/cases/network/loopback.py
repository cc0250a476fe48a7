import hostile
import socket, threading

# What must work: programs that speak to themselves.
server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=lambda: server.accept()[0].sendall(b"tcp"), daemon=True).start()
with socket.create_connection(server.getsockname(), 2) as client:
    heard = client.recv(3)
one, other = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
one.bind(("127.0.0.1", 0))
other.sendto(b"udp", one.getsockname())
one.settimeout(2)
print("withstood" if heard == b"tcp" and one.recv(3) == b"udp" else "no loopback")
