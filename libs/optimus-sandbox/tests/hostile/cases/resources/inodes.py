import hostile
import os

made = 0
for place in ("/tmp", "/dev/shm", "/box"):
    for top in range(200):
        try:
            os.chdir(place)
            for depth in range(200):
                name = str(top) if depth == 0 else "d"
                os.mkdir(name)
                os.chdir(name)
                made += 1
        except OSError:
            break
print("withstood" if made < 60_000 else f"{made} folders")
