"""Goes through all roads until nothing gets shorter: right, but up to 10^10 steps."""

import sys

numbers = list(map(int, sys.stdin.buffer.read().split()))
places = numbers[0]
roads = list(zip(numbers[2::3], numbers[3::3], numbers[4::3]))

distance = [None] * (places + 1)
distance[1] = 0
changed = True
while changed:
    changed = False
    for start, end, length in roads:
        if distance[start] is None:
            continue
        if distance[end] is None or distance[start] + length < distance[end]:
            distance[end] = distance[start] + length
            changed = True

for reached in distance[1:]:
    print(-1 if reached is None else reached)
