import socket, covert

PORT = 5555


def hold(ready):
    doors = [socket.create_server(("127.0.0.1", PORT)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
    doors[1].bind(("127.0.0.1", PORT))
    ready()
    covert.forever()


def seek():
    # Whether somebody is there, and whether the port is taken.
    try:
        socket.create_connection(("127.0.0.1", PORT), 1)
        return True
    except OSError:
        pass
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("127.0.0.1", PORT))
    except OSError:
        return True


covert.channel(hold, seek)
