import hostile
import sys

sys.setrecursionlimit(1 << 30)


def deeper(n):
    return deeper(n + 1) + n


print(deeper(0))
