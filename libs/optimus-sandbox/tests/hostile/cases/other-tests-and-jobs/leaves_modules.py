import hostile
import os

forged = "print('loaded instead')\n"
names = ("json.py", "random.py", "sitecustomize.py", "usercustomize.py", "encodings/__init__.py", "fractions.py", "pyvenv.cfg", "python3._pth")
if hostile.number == 1:
    for name in names:
        for place in ("/box", "/tmp", os.path.expanduser("~/.local/lib/python3.11/site-packages")):
            try:
                os.makedirs(os.path.dirname(f"{place}/{name}"), exist_ok=True)
                with open(f"{place}/{name}", "w") as file:
                    file.write(forged)
            except OSError:
                pass
else:
    import fractions, json, random
print("withstood")
