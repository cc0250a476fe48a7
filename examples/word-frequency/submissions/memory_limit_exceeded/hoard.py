"""Keeps much more than it needs: up to 1 GiB."""

hoard = []
for number in range(64):
    hoard.append(bytearray(b"x") * (16 << 20))
print(len(hoard))
