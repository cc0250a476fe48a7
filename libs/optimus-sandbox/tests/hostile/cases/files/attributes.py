import hostile
import os

for place in ("/box", "/tmp", "/dev/shm"):
    path = f"{place}/file"
    open(path, "w").close()
    for name in ("user.note", "trusted.overlay.opaque", "trusted.note", "security.note", "security.capability",
                 "system.posix_acl_access", "user.overlay.opaque"):
        try:
            os.setxattr(path, name, b"y" * 1000)
            if not name.startswith("user."):
                print("set:", name)
        except OSError:
            pass
    for number in range(300):
        try:
            os.setxattr(path, f"user.{number}", b"x" * 60_000)
        except OSError:
            break
print("withstood")
