import hostile
import ctypes

# Numbers that no kernel has given away yet, and those that no filter of a number's range thinks of.
syscall = ctypes.CDLL(None, use_errno=True).syscall
through = []
for number in [*range(463, 1024), 1 << 16, (1 << 31) - 1, -1 & 0xFFFFFFFE]:
    ctypes.set_errno(0)
    if syscall(ctypes.c_long(number), 0, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != 38:
        through.append(number)
print(*through or ["withstood"])
