import sys
from heapq import heappop, heappush

numbers = map(int, sys.stdin.buffer.read().split())
count = next(numbers)
roads = [[] for _ in range(count + 1)]
for _ in range(next(numbers)):
    start, end, length = next(numbers), next(numbers), next(numbers)
    roads[start].append((end, length))

distance = [-1] * (count + 1)
heap = [(0, 1)]
while heap:
    so_far, place = heappop(heap)
    if distance[place] >= 0:
        continue
    distance[place] = so_far
    for end, length in roads[place]:
        if distance[end] < 0:
            heappush(heap, (so_far + length, end))

print(*distance[1:])
