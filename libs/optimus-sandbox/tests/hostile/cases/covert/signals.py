import os, signal, covert


def hold(ready):
    ready()
    while True:
        for process in range(2, 300):
            if process not in (os.getpid(), os.getppid()):
                try:
                    os.kill(process, signal.SIGUSR1)
                except OSError:
                    pass
        try:
            os.kill(os.getppid(), signal.SIGUSR1) if os.getppid() > 1 else None
        except OSError:
            pass


def seek():
    got = []
    signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
    for _ in covert.until(0.3):
        if got:
            return True


signal.signal(signal.SIGUSR1, signal.SIG_IGN)
covert.channel(hold, seek)
