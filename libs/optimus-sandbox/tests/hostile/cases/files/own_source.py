import hostile
import os

forged = "print('honest 37')\nprint('honest 17')\n"
for name in ("main.py", "hostile.py"):
    for path in (f"/box/{name}", f"/proc/self/cwd/{name}"):
        try:
            with open(path, "w") as file:
                file.write(forged)
            print("overwritten:", path)
        except OSError:
            pass
    try:
        os.remove(f"/box/{name}")
        print("removed:", name)
    except OSError:
        pass
    try:
        with open("/box/forged", "w") as file:
            file.write(forged)
        os.rename("/box/forged", f"/box/{name}")
        print("replaced:", name)
    except OSError:
        pass
print("withstood")
