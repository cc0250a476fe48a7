import hostile
import os, re

pattern = re.compile(rb"canary-[0-9a-f]{32}")
for folder, folders, files in os.walk("/"):
    if folder == "/":
        folders[:] = [name for name in folders if name not in ("usr", "lib", "lib64", "bin", "sbin", "proc", "sys")]
    for name in files:
        path = os.path.join(folder, name)
        try:
            if os.path.isfile(path) and os.path.getsize(path) < 1 << 20:
                with open(path, "rb") as file:
                    if found := pattern.findall(file.read()):
                        print(path, found)
        except OSError:
            pass
print("withstood")
