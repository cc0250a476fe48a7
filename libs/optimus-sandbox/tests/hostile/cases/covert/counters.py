import itertools, os, covert

# In pairs of rounds, of which one has a bit that is set.
PAIRS = 100


def counted():
    with open("/proc/stat") as counters:
        lines = dict(line.split(maxsplit=1) for line in counters)
    return int(lines["ctxt"]), int(lines["processes"]), int(lines["intr"].split()[0])


def hold(ready):
    # Each byte takes two switches.
    here, there = os.pipe(), os.pipe()
    if os.fork() == 0:
        while os.read(here[0], 1):
            os.write(there[1], b"x")
        os._exit(0)
    ready()

    def switch():
        os.write(here[1], b"x")
        os.read(there[0], 1)

    covert.sending(switch)


def seek():
    before = counted()
    for _ in range(100):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    if counted() == before:
        raise NotImplementedError("what is counted stands still")
    moved = {}
    right = pairs = 0
    for number in itertools.islice(covert.rounds(), 8 * PAIRS):
        before = counted()[0]
        covert.wait(number, covert.END)
        moved[number] = counted()[0] - before
        if number & 1 and number - 1 in moved:
            right += (moved[number - 1] > moved[number]) == covert.bit(number - 1)
            pairs += 1
            if pairs == PAIRS:
                break
    # By chance once in three million times.
    return right >= 75


covert.channel(hold, seek)
