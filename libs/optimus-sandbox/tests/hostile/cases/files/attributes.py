import hostile
import os

for place in ("/box", "/tmp", "/dev/shm"):
    path = f"{place}/file"
    open(path, "w").close()
    for name in ("user.note", "trusted.overlay.opaque", "trusted.note", "security.note", "security.capability",
                 "system.posix_acl_access", "user.overlay.opaque"):
        for value in (b"y" * 1000, b"y"):
            try:
                os.setxattr(path, name, value)
                print("set:", name)
            except OSError:
                pass
print("withstood")
