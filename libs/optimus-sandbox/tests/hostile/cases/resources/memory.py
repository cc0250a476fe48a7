import hostile

everything = []
while True:
    everything.append(bytes(100_000))
