import itertools, socket, covert

# Where the search for a free port goes on is kept by both ends of a connection.
PORT = 5555
ROUNDS = 200
PORTS = 28232


def connect():
    # Nobody is there; that a port was looked for is enough.
    with socket.socket() as client:
        client.connect_ex(("127.0.0.1", PORT))


def hold(ready):
    ready()
    covert.sending(connect)


def own_port():
    # Only for this moment: in one box the sender's connections would be accepted.
    with socket.create_server(("127.0.0.1", PORT)) as server:
        with socket.create_connection(server.getsockname()) as client:
            return client.getsockname()[1]


def seek():
    right = 0
    for number in itertools.islice(covert.rounds(), ROUNDS):
        before = own_port()
        covert.wait(number, covert.END)
        # One's own connection moves it by 16 at most, those of others by any number: on a quick machine all around.
        right += ((own_port() - before) % PORTS > 16) == covert.bit(number)
    # By chance once in three million times.
    if right >= 135:
        return True
    ports = [own_port() for _ in range(100)]
    in_order = sum((after - before) % PORTS <= 16 for before, after in zip(ports, ports[1:]))
    if in_order < 20:
        raise NotImplementedError(f"ports follow no order, and {right} of {ROUNDS} bits were right")
    return False


covert.channel(hold, seek)
