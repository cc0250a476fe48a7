import hostile
import os

names = [b"\n", b"\r\n", b"a\nb", b"\\", b"'", b'"', b"$(id)", b"`id`", b" ", b"\t", b"\x1b[2J", b"\x7f", b"\xff\xfe",
         b"\xc3", b"...", b"..\n", b"%s%n", b";", b"|", b"*", b"?", b"~", b"-", b"--", b"\x01"]
for place in (b"/box", b"/tmp", b"/dev/shm"):
    for name in names:
        os.mkdir(place + b"/" + name)
        for inner in names:
            os.symlink(inner, place + b"/" + name + b"/" + inner)
print("withstood")
