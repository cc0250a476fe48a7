import socket, covert


def hold(ready):
    doors = [socket.socket(socket.AF_UNIX, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
    for door, name in zip(doors, ("\0bit", "\0datagram")):
        door.bind(name)
    doors[0].listen()
    ready()
    covert.forever()


def seek():
    for kind, name in ((socket.SOCK_STREAM, "\0bit"), (socket.SOCK_DGRAM, "\0datagram")):
        try:
            socket.socket(socket.AF_UNIX, kind).connect(name)
            return True
        except ConnectionRefusedError:
            pass


covert.channel(hold, seek)
