import socket, covert


def hold(ready):
    socket.sethostname("bit")
    ready()
    covert.forever()


def seek():
    return socket.gethostname() == "bit"


covert.channel(hold, seek)
