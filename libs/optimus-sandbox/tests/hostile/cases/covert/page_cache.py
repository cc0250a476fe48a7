import glob, os, statistics, time, covert

# What nothing else reads meanwhile.
FILE = max(glob.glob(os.path.dirname(covert.SHARED) + "/*/topics.py") or [covert.SHARED], key=os.path.getsize)
PAGES = range(0, os.path.getsize(FILE) - 4096, 16384)
# A disk takes longer than memory by more than this, whatever both are.
TIMES = 4
ROUNDS = 200


def opened():
    file = os.open(FILE, os.O_RDONLY)
    # Each page is read by itself.
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
    return file


def usual(file):
    # Noise makes some of them slow, and readahead some of them quick, never half.
    taken = []
    for page in PAGES:
        began = time.perf_counter()
        os.pread(file, 1, page)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def drop(file):
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def hold(ready):
    file = opened()
    ready()
    while True:
        drop(file)
        # Seldom enough for the other to have it in memory between two times.
        time.sleep(0.02)


def slow_reads(file, rounds, meanwhile):
    slow = 0
    for _ in range(rounds):
        # In memory by now, unless somebody drops it at this very moment.
        warm = min(usual(file) for _ in range(3))
        meanwhile()
        slow += usual(file) > TIMES * warm
    return slow


def notices(slow, rounds):
    # Far oftener than noise, also where the other side seldom has a CPU, or as seldom as noise: what lies between is told.
    if rounds // 10 < slow <= rounds // 5:
        raise RuntimeError(f"reads are slow in {slow} of {rounds} rounds")
    return slow > rounds // 5


def seek():
    file = opened()
    if not notices(slow_reads(file, 50, lambda: drop(file)), 50):
        raise NotImplementedError("what was dropped is in memory all the same")
    return notices(slow_reads(file, ROUNDS, lambda: time.sleep(0.06)), ROUNDS)


covert.channel(hold, seek)
