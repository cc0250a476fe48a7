import ctypes, os, covert

libc = ctypes.CDLL(None, use_errno=True)
CREATE, REMOVE = 0o1666, 0


def get(flags):
    return [libc.shmget(77, 4096, flags), libc.semget(77, 1, flags), libc.msgget(77, flags)]


def hold(ready):
    memory, semaphores, queue = get(CREATE)
    if max(memory, semaphores, queue) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    # Nothing of it is to outlive this process, should it get through: the memory is listed for as long as it is attached.
    libc.shmat(memory, None, 0)
    libc.shmctl(memory, REMOVE, None)
    libc.semctl(semaphores, 0, REMOVE)
    libc.msgctl(queue, REMOVE, None)
    ready()
    covert.forever()


def seek():
    listed = sum(len(open(f"/proc/sysvipc/{kind}").readlines()) - 1 for kind in ("shm", "sem", "msg"))
    return listed > 0 or max(get(0)) != -1


covert.channel(hold, seek)
