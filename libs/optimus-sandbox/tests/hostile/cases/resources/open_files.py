import hostile
import os

opened = 0
try:
    while opened < 10_000:
        os.open("/dev/null", os.O_RDONLY)
        opened += 1
except OSError:
    pass
print("withstood" if opened < 1000 else f"{opened} files")
