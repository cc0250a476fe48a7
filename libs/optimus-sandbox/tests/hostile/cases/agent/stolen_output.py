import hostile
import os

# Reading the pipes back: what another end has not taken yet, and what the agent would have read.
through = []
for pipe in (1, 2):
    try:
        reading = os.open(f"/proc/self/fd/{pipe}", os.O_RDONLY | os.O_NONBLOCK)
        through.append(f"descriptor {pipe} can be read")
        os.close(reading)
    except OSError:
        pass
    try:
        os.read(pipe, 1)
        through.append(f"read {pipe}")
    except OSError:
        pass
# A pipe can be opened anew by whoever owns it. What is taken out of it was this program's own.
print(*[found for found in through if found.startswith("read")] or ["withstood"])
