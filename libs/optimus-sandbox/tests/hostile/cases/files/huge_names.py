import hostile
import os

for place in ("/box", "/tmp", "/dev/shm"):
    os.chdir(place)
    open("x" * 255, "w").close()
    open("ä" * 127, "w").close()
    for depth in range(15):
        os.mkdir("y" * 250)
        os.chdir("y" * 250)
        open("z" * 255, "w").close()
        os.symlink("t" * 4000, "link")
print("withstood")
