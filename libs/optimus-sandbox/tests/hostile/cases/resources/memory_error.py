import hostile

print(len(bytes(1 << 60)))
