import random, socket, time, covert

# Where the search for a free port goes on is kept by both ends of a connection.
PORT = 5555
ROUNDS = 200
# A round, and how much of it the sender has, in seconds.
ROUND = 0.05
BEGIN, SENT, END = 0.15, 0.6, 0.8
CONNECTIONS = 80


def bit(number):
    # As many of both kinds, in an order that both sides know and nobody guesses.
    first = random.Random(number // 2).getrandbits(1)
    return first ^ (number & 1)


def wait(number, part):
    time.sleep(max(0, (number + part) * ROUND - time.time()))


def hold(ready):
    ready()
    number = int(time.time() / ROUND)
    while True:
        number = max(number + 1, int(time.time() / ROUND))
        wait(number, BEGIN)
        for _ in range(CONNECTIONS if bit(number) else 0):
            if time.time() > (number + SENT) * ROUND:
                break
            # Nobody is there; that a port was looked for is enough.
            with socket.socket() as client:
                client.connect_ex(("127.0.0.1", PORT))


def own_port():
    # Only for this moment: in one box the sender's connections would be accepted.
    with socket.create_server(("127.0.0.1", PORT)) as server:
        with socket.create_connection(server.getsockname()) as client:
            return client.getsockname()[1]


def seek():
    right = 0
    number = int(time.time() / ROUND)
    for _ in range(ROUNDS):
        number = max(number + 1, int(time.time() / ROUND))
        wait(number, 0)
        before = own_port()
        wait(number, END)
        # One's own connection moves it by 16 at most.
        moved = (own_port() - before) % 28232
        right += (16 < moved < 16 * CONNECTIONS * 2) == bit(number)
    # By chance once in three million times.
    if right >= 135:
        return True
    ports = [own_port() for _ in range(100)]
    in_order = sum((after - before) % 28232 <= 16 for before, after in zip(ports, ports[1:]))
    if in_order < 20:
        raise NotImplementedError(f"ports follow no order, and {right} of {ROUNDS} bits were right")
    return False


covert.channel(hold, seek)
