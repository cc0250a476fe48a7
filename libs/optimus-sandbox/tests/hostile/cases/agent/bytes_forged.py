import hostile
import os, struct

# Headers that announce more than comes, and kinds that there are not: a worker that read them would wait, or choke.
for kind in range(256):
    for length in (0, 1, 0x100000, 0x7FFFFFFF, 0xFFFFFFFF):
        os.write(2, struct.pack(">BI", kind, length))
print("withstood")
