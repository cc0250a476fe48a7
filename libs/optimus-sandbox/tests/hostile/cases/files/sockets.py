import hostile
import os, socket

kept = []
for place in ("/box", "/tmp", "/dev/shm"):
    for name in ("socket", "stdout", "honest"):
        server = socket.socket(socket.AF_UNIX)
        server.bind(f"{place}/{name}")
        server.listen()
        kept.append(server)
if not os.fork():
    while True:
        kept[0].accept()
print("withstood")
